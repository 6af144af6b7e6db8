import { Flags } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'
import { CommandError, EXIT } from '../src/cli/exit-codes.ts'

export default class GenerateKeys extends BaseCommand {
  static override summary = 'Make a signing key, a TLS certificate, or both.'
  static override description =
    'Existing files are never replaced without --force. Keys are readable by their owner only.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --private-key matrix_key.pem',
    '<%= config.bin %> <%= command.id %> --tls-cert server.crt --tls-key server.key --server example.org',
  ]

  static override flags = {
    'private-key': Flags.string({ summary: 'Write a new signing key here.', helpValue: 'FILE' }),
    'tls-cert': Flags.string({ summary: 'Write a certificate here.', helpValue: 'FILE', dependsOn: ['tls-key'] }),
    'tls-key': Flags.string({ summary: 'Write its key here.', helpValue: 'FILE', dependsOn: ['tls-cert'] }),
    'tls-authority-cert': Flags.string({
      summary: 'Certificate of the authority that signs; without, the certificate signs itself.',
      helpValue: 'FILE',
      dependsOn: ['tls-authority-key', 'tls-cert'],
    }),
    'tls-authority-key': Flags.string({
      summary: 'Key of the authority.',
      helpValue: 'FILE',
      dependsOn: ['tls-authority-cert'],
    }),
    server: Flags.string({
      summary: 'Name in the certificate.',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    keysize: Flags.integer({ summary: 'Bits of an RSA key; without, ECDSA P-256.', min: 2048, max: 8192 }),
    force: Flags.boolean({ summary: 'Replace existing files.' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(GenerateKeys)
    const { refuseExisting } = await import('../src/cli/files.ts')
    const paths = [flags['private-key'], flags['tls-cert'], flags['tls-key']].filter((path) => path !== undefined)
    if (paths.length === 0) {
      throw new CommandError('Nothing to make: give --private-key, or --tls-cert and --tls-key.', {
        exit: EXIT.usage,
        code: 'USAGE',
      })
    }
    if (!flags.force) refuseExisting(paths)
    const result: Record<string, unknown> = {}
    if (flags['private-key'] !== undefined) {
      const { makeSigningKey } = await import('../src/cli/make-keys.ts')
      const key = makeSigningKey(flags['private-key'], flags.force)
      this.log(`signing key  ${key.path}  ${key.key_id}  public: ${key.public_key}`)
      result.signing_key = key
    }
    if (flags['tls-cert'] !== undefined && flags['tls-key'] !== undefined) {
      const { makeTlsFiles } = await import('../src/cli/make-keys.ts')
      const files = { cert: flags['tls-cert'], key: flags['tls-key'] }
      const { 'tls-authority-cert': authorityCert, 'tls-authority-key': authorityKey } = flags
      const tls = await makeTlsFiles(files, {
        names: flags.server ?? ['localhost'],
        keySize: flags.keysize,
        force: flags.force,
        authority: authorityCert && authorityKey ? { cert: authorityCert, key: authorityKey } : undefined,
      })
      this.log(`TLS          ${tls.certificate} / ${tls.key}  for ${tls.names.join(', ')}`)
      result.tls = tls
    }
    return result
  }
}
