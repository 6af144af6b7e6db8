import { Flags } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'

const PASSWORD = '[--password-stdin | --password-file FILE | --generate-password]'

export default class CreateAccount extends BaseCommand {
  static override summary = 'Make accounts, or set a password.'
  static override description =
    'Works while the server runs and while it does not. A new account can log in at once. ' +
    'Passwords have 8 to 512 characters.'

  static override usage = [
    `<%= command.id %> -u NAME ${PASSWORD} [--admin] [--if-not-exists]`,
    `<%= command.id %> -u NAME ${PASSWORD} --reset-password`,
    '<%= command.id %> --from-file FILE [--if-not-exists]',
  ]

  static override examples = [
    '<%= config.bin %> <%= command.id %> --username alice --admin',
    'printf %s "$PW" | <%= config.bin %> <%= command.id %> --username bob --password-stdin --json',
    '<%= config.bin %> <%= command.id %> --from-file accounts.jsonl --if-not-exists',
  ]

  static override flags = {
    username: Flags.string({
      char: 'u',
      summary: 'Local part of the user id.',
      helpValue: 'NAME',
      exactlyOne: ['username', 'from-file'],
    }),
    'from-file': Flags.string({
      summary: 'Many accounts: a JSON object a line, {"username", "password", "admin"}; - is standard input.',
      helpValue: 'FILE',
    }),
    admin: Flags.boolean({ summary: 'The account administers the server.' }),
    'password-stdin': Flags.boolean({
      summary: 'Read the password from standard input.',
      aliases: ['passwordstdin'],
      exclusive: ['password-file', 'generate-password', 'from-file'],
    }),
    'password-file': Flags.string({
      summary: 'Read the password from a file.',
      helpValue: 'FILE',
      aliases: ['passwordfile'],
      exclusive: ['generate-password', 'from-file'],
    }),
    'generate-password': Flags.boolean({ summary: 'Make a password and print it.', exclusive: ['from-file'] }),
    password: Flags.string({
      summary: 'The password itself: every user of this machine can see it. Prefer --password-stdin.',
      env: 'DENDRITE_PASSWORD',
      helpValue: 'TEXT',
      exclusive: ['password-stdin', 'password-file', 'generate-password', 'from-file'],
    }),
    'if-not-exists': Flags.boolean({ summary: 'An account that exists is no error, and is left as it is.' }),
    'reset-password': Flags.boolean({
      summary: 'Set the password of an existing account, and end its sessions.',
      exclusive: ['from-file', 'if-not-exists', 'admin'],
    }),
    dir: Flags.string({ summary: 'Directory of the server: configuration and data.', helpValue: 'DIR' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(CreateAccount)
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { readAccounts } = await import('../src/cli/accounts-input.ts')
    const accounts = await readAccounts(flags, this.interactive)
    const { createAccounts, resetPassword } = await import('../src/cli/accounts.ts')
    const { openLog } = await import('../src/cli/log.ts')
    const log = await openLog(loaded.config, { level: flags['log-level'] ?? 'warn' })
    const first = accounts[0]
    if (flags['reset-password'] && first !== undefined) {
      const result = await resetPassword({ ...loaded, log }, first)
      this.log(`${result.user_id} has a new password.`)
      if (result.password !== undefined) this.log(`password: ${result.password}`)
      return { ...result }
    }
    const results = await createAccounts({ ...loaded, log }, accounts, flags['if-not-exists'], (result) => {
      this.log(`${result.user_id} ${result.created ? 'created' : 'exists already'}`)
      if (result.password !== undefined) this.log(`password: ${result.password}`)
    })
    return flags['from-file'] === undefined ? { ...results[0] } : { accounts: results }
  }
}
