import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'

export default class MigrateStatus extends BaseCommand {
  static override summary = 'Show which migrations are applied and which are pending.'
  static override examples = ['<%= config.bin %> <%= command.id %> --json']

  static override flags = {
    dir: Flags.string({ summary: 'Directory of the server: configuration and data.', helpValue: 'DIR' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(MigrateStatus)
    const { config, dir } = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { statusOfMigrations } = await import('../../src/cli/migrations.ts')
    const { current, pending } = await statusOfMigrations(config, dir)
    const names = pending.map((one) => `${one.number} ${one.name}`)
    this.log(`schema ${current}`)
    for (const name of names) this.log(`  pending  ${name}`)
    if (names.length === 0) this.log('The database is up to date.')
    return { current, pending: names }
  }
}
