import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'

export default class Migrate extends BaseCommand {
  static override summary = 'Bring the database up to date.'
  static override description =
    '`serve` does it, too. Forward only. Beside a running server it exits 75. ' +
    'With --dry-run it changes nothing, and exits 10 if there is something to do.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run',
    '<%= config.bin %> <%= command.id %> --config dendrite.yaml',
  ]

  static override flags = {
    dir: Flags.string({ summary: 'Directory of the server: configuration and data.', helpValue: 'DIR' }),
    'dry-run': Flags.boolean({ summary: 'Only say what would be done.' }),
    to: Flags.integer({ summary: 'Stop after this migration.', helpValue: 'NUMBER', min: 1 }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(Migrate)
    const { config, dir } = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { migrateToLatest, statusOfMigrations } = await import('../../src/cli/migrations.ts')
    const { openLog } = await import('../../src/cli/log.ts')
    if (flags['dry-run']) {
      const { current, pending } = await statusOfMigrations(config, dir)
      const names = pending
        .filter((one) => one.number <= (flags.to ?? one.number))
        .map((one) => `${one.number} ${one.name}`)
      this.log(`schema ${current}`)
      for (const name of names) this.log(`  pending  ${name}`)
      this.log(`${names.length} pending. Nothing was changed.`)
      if (names.length > 0) process.exitCode = EXIT.changesPending
      return { current, pending: names, applied: [] }
    }
    const log = await openLog(config, { level: flags['log-level'] ?? 'warn' })
    const progress = await this.progress('migrating')
    const wish = { to: flags.to, alone: true, onProgress: progress.step }
    const applied = await migrateToLatest(config, dir, log, wish).finally(progress.stop)
    for (const name of applied) this.log(`applied  ${name}`)
    if (applied.length === 0) this.log('The database is up to date.')
    return { applied }
  }
}
