import { Flags } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'

export default class Serve extends BaseCommand {
  static override summary = 'Run the homeserver.'
  static override description =
    'Without a configuration it writes one, with a signing key, a self-signed certificate and an SQLite file, ' +
    'and starts. ' +
    'SIGTERM and SIGINT stop it within 30 seconds; a second one stops it at once.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --dir /var/lib/dendrite',
    '<%= config.bin %> <%= command.id %> --config dendrite.yaml --http-bind-address 127.0.0.1:8008',
  ]

  static override enableJsonFlag = false

  static override flags = {
    dir: Flags.string({ summary: 'Directory of configuration and data; made if missing.', helpValue: 'DIR' }),
    'http-bind-address': Flags.string({ summary: 'HTTP; default :8008.', helpValue: 'HOST:PORT' }),
    'https-bind-address': Flags.string({ summary: 'HTTPS; default :8448.', helpValue: 'HOST:PORT' }),
    'tls-cert': Flags.string({ summary: 'Certificate chain for HTTPS.', helpValue: 'FILE', dependsOn: ['tls-key'] }),
    'tls-key': Flags.string({ summary: 'Its key.', helpValue: 'FILE', dependsOn: ['tls-cert'] }),
    'unix-socket': Flags.string({ summary: 'Listen on this socket instead of the ports.', helpValue: 'PATH' }),
    'server-name': Flags.string({ summary: 'Server name when a configuration is written.', helpValue: 'NAME' }),
    'really-enable-open-registration': Flags.boolean({
      summary: 'Let anybody register without captcha or token, if the configuration says so too.',
    }),
    migrate: Flags.boolean({ summary: 'Bring the database up to date first.', default: true, allowNo: true }),
    'log-format': Flags.option({
      options: ['auto', 'json', 'pretty'] as const,
      summary: 'Readable on a terminal, else JSON.',
      default: 'auto',
      env: 'DENDRITE_LOG_FORMAT',
    })(),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Serve)
    const { serve } = await import('../src/cli/serve.ts')
    await serve(flags, { root: this.config.root, version: this.config.version, note: (line) => this.note(line) })
  }
}
