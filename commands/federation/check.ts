import { Args } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'

export default class FederationCheck extends BaseCommand {
  static override summary = 'See a server as other servers see it.'
  static override description =
    'Looks for .well-known and SRV records, connects to every address, and checks the certificate, the version and ' +
    'the signatures of the keys. Asks federation_api.dns_servers of the configuration, if there are any. ' +
    'Exits 1 when an address has a fault, 69 when no address answers.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> example.org',
    '<%= config.bin %> <%= command.id %> localhost:8448 --json',
  ]

  static override args = {
    server: Args.string({ description: 'Server name, as in user ids: example.org, or host:port.', required: true }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(FederationCheck)
    const [{ checkFederation, linesOf }, { loadConfig }] = await Promise.all([
      import('../../src/cli/federation-check.ts'),
      import('../../src/config/load.ts'),
    ])
    // A server is looked at from anywhere; where there is one of ours, as that one would.
    const own = loadConfig({ file: flags.config, dir: undefined })?.config
    const report = await checkFederation(args.server, own?.federation_api.dns_servers ?? [])
    for (const line of linesOf(report)) this.log(line)
    if (!report.reachable) process.exitCode = EXIT.unreachable
    else if (!report.ok) process.exitCode = EXIT.failed
    return { ...report }
  }
}
