import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'

export default class AppservicePing extends BaseCommand {
  static override summary = 'Ask an application service whether it hears.'
  static override description =
    'Asks it from this machine, with the token of the server. Exits 69 when it cannot be reached, 1 when it answers ' +
    'with a failure, 78 when it has no URL.'

  static override examples = ['<%= config.bin %> <%= command.id %> irc']
  static override args = { id: Args.string({ description: 'Its id.', required: true }) }
  static override flags = { dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }) }

  async run(): Promise<Record<string, unknown>> {
    const { flags, args } = await this.parse(AppservicePing)
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { ping } = await import('../../src/cli/appservices.ts')
    const duration_ms = await ping(loaded, args.id)
    this.log(`${args.id} answers within ${duration_ms} ms`)
    return { id: args.id, duration_ms }
  }
}
