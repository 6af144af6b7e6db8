import { join, relative, resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { CommandError, EXIT } from '../../src/cli/exit-codes.ts'

const SQLITE = 'file:dendrite.db'

export default class ConfigInit extends BaseCommand {
  static override summary = 'Write a configuration.'
  static override description =
    'Asks on a terminal; otherwise the flags, or --yes, say everything. Never replaces a file without --force.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --yes --server-name example.org --db postgres://dendrite@localhost/dendrite',
    '<%= config.bin %> <%= command.id %> --print --ci --dir /tmp/server',
  ]

  static override flags = {
    dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR', default: '.' }),
    'server-name': Flags.string({ summary: 'The name in user ids.', helpValue: 'NAME', aliases: ['server'] }),
    db: Flags.string({ summary: 'file:NAME, or a postgres:// URI.', helpValue: 'URI', aliases: ['database'] }),
    print: Flags.boolean({ summary: 'Print it instead of writing a file.', aliases: ['stdout'] }),
    ci: Flags.boolean({ summary: 'A configuration for automated tests: open, fast and unsafe.' }),
    force: Flags.boolean({ summary: 'Replace an existing file.' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(ConfigInit)
    const path = join(resolve(flags.dir), 'dendrite.yaml')
    const { refuseExisting, writeNewFile } = await import('../../src/cli/files.ts')
    if (!flags.print && !flags.force) refuseExisting([path])
    const text = flags.ci ? await this.testConfig(flags) : await this.ordinaryConfig(flags)
    const { readConfig } = await import('../../src/config/load.ts')
    const { config } = readConfig(text, path)
    if (flags.print) {
      if (!this.jsonEnabled()) process.stdout.write(text)
      return { config }
    }
    const { mkdirSync } = await import('node:fs')
    mkdirSync(resolve(flags.dir), { recursive: true })
    writeNewFile(path, text, { mode: 0o600, force: flags.force })
    this.log(`wrote ${path}`)
    const key = relative('', resolve(flags.dir, config.global.private_key))
    const place = resolve(flags.dir) === process.cwd() ? '' : ` --dir ${flags.dir}`
    this.note(`Next: \`dendrite generate-keys --private-key ${key}\`, then \`dendrite serve${place}\`.`)
    return { path, server_name: config.global.server_name }
  }

  private async testConfig(flags: { dir: string; db?: string | undefined; 'server-name'?: string | undefined }) {
    const { renderTestConfig } = await import('../../src/cli/config-files.ts')
    return renderTestConfig({ dir: flags.dir, database: flags.db, serverName: flags['server-name'] ?? 'localhost' })
  }

  private async ordinaryConfig(flags: {
    db?: string | undefined
    'server-name'?: string | undefined
    yes: boolean
    print: boolean
  }): Promise<string> {
    const { renderConfig } = await import('../../src/cli/config-files.ts')
    let { db, 'server-name': serverName } = flags
    if (this.interactive && !flags.yes && !flags.print) {
      const { askText } = await import('../../src/cli/prompts.ts')
      serverName ??= await askText('Server name (the domain in user ids):', 'localhost')
      db ??= await askText('Database (file:NAME for SQLite, or a postgres:// URI):', SQLITE)
    }
    if (serverName === undefined && !flags.yes) {
      throw new CommandError('The server name is missing.', {
        exit: EXIT.usage,
        code: 'USAGE',
        suggestion: 'give --server-name, or --yes for a server that is called localhost',
      })
    }
    return renderConfig(this.config.root, { serverName: serverName ?? 'localhost', database: db ?? SQLITE })
  }
}
