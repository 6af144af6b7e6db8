import { Flags } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'

export default class CopyDatabase extends BaseCommand {
  static override summary = 'Copy the database into another one, also of the other engine.'
  static override description =
    'From SQLite to PostgreSQL, back, or to another file as a backup. The copy is of one moment, and whole or not ' +
    'there at all. A server may run meanwhile, but what it writes afterwards is not in the copy: stop it first to ' +
    'move. Media and keys are files; they are not in the database.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --to file:/backup/dendrite.db',
    'DENDRITE_COPY_TO=postgresql://dendrite:secret@localhost/dendrite <%= config.bin %> <%= command.id %>',
  ]

  static override flags = {
    to: Flags.string({
      summary: 'Where to: postgresql://…, an empty database, or file:PATH, which does not exist yet.',
      description: 'In the environment a password is not seen by other users of the machine.',
      env: 'DENDRITE_COPY_TO',
      helpValue: 'URI',
      required: true,
    }),
    dir: Flags.string({ summary: 'Directory of the server: configuration and data.', helpValue: 'DIR' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(CopyDatabase)
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { copyDatabase } = await import('../src/cli/copy-database.ts')
    const progress = await this.progress('copying rows')
    const tables = await copyDatabase(loaded, flags.to, progress.step).finally(progress.stop)
    const rows = [...tables.values()].reduce((sum, count) => sum + count, 0)
    this.log(`${rows} rows of ${tables.size} tables copied`)
    this.note('To use the copy, name it in global.database.connection_string. Search indexes it anew.')
    return { rows, tables: Object.fromEntries(tables) }
  }
}
