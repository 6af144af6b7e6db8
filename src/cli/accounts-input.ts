import { readFileSync } from 'node:fs'
import { systemRandom } from '../live/time.ts'
import { CommandError, EXIT } from './exit-codes.ts'

export interface AccountInput {
  readonly username: string
  /** Undefined: an account without a password. */
  readonly password: string | undefined
  readonly admin: boolean
  /** The password was made here, so it is shown once. */
  readonly generated: boolean
}

interface AccountFlags {
  readonly username?: string | undefined
  readonly 'from-file'?: string | undefined
  readonly admin: boolean
  readonly 'password-stdin': boolean
  readonly 'password-file'?: string | undefined
  readonly 'generate-password': boolean
  readonly password?: string | undefined
}

const MIN_PASSWORD_LENGTH = 8
const MAX_PASSWORD_LENGTH = 512
const MAX_ACCOUNTS = 100_000
const STDIN = 0

/**
 * The accounts that the flags ask for. Errors: CommandError for bad input, or when a password is wanted and nobody
 * there to type it.
 */
export async function readAccounts(flags: AccountFlags, interactive: boolean): Promise<AccountInput[]> {
  const file = flags['from-file']
  if (file !== undefined) return readAccountsFile(readFileSync(file === '-' ? STDIN : file, 'utf8'))
  const generated = flags['generate-password']
  const password = generated ? systemRandom.bytes(18).toString('base64url') : await readPassword(flags, interactive)
  checkPassword(password, '')
  return [{ username: localpartOf(flags.username ?? ''), password, admin: flags.admin, generated }]
}

async function readPassword(flags: AccountFlags, interactive: boolean): Promise<string> {
  if (flags['password-file'] !== undefined) return readFileSync(flags['password-file'], 'utf8').trim()
  if (flags['password-stdin']) return readFileSync(STDIN, 'utf8').trim()
  if (flags.password !== undefined) return flags.password
  if (interactive) {
    const { askNewPassword } = await import('./prompts.ts')
    return await askNewPassword((password) => passwordFault(password) ?? true)
  }
  throw usage(
    'There is no terminal to ask for the password.',
    'use --password-stdin, --password-file or --generate-password',
  )
}

function readAccountsFile(text: string): AccountInput[] {
  const lines = text.split('\n')
  if (lines.length > MAX_ACCOUNTS) throw usage(`More than ${MAX_ACCOUNTS} lines.`, 'split the file')
  return lines.flatMap((line, index) => (line.trim() === '' ? [] : [readAccountLine(line, index + 1)]))
}

function readAccountLine(line: string, number: number): AccountInput {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw usage(`line ${number}: not JSON`)
  }
  const { username, password, admin } = (value ?? {}) as { username?: unknown; password?: unknown; admin?: unknown }
  if (typeof username !== 'string') throw usage(`line ${number}: "username" is missing`)
  if (password !== undefined && typeof password !== 'string') throw usage(`line ${number}: "password" must be text`)
  if (admin !== undefined && typeof admin !== 'boolean') throw usage(`line ${number}: "admin" must be true or false`)
  if (password !== undefined) checkPassword(password, `line ${number}: `)
  return { username: localpartOf(username), password, admin: admin ?? false, generated: false }
}

/** People give whole user ids, too; the server name is that of the configuration in any case. */
function localpartOf(username: string): string {
  return username.startsWith('@') ? (username.slice(1).split(':', 1)[0] ?? '') : username
}

function checkPassword(password: string, prefix: string): void {
  const fault = passwordFault(password)
  if (fault !== undefined) throw usage(`${prefix}${fault}`)
}

function passwordFault(password: string): string | undefined {
  if (password.length < MIN_PASSWORD_LENGTH) return `The password is shorter than ${MIN_PASSWORD_LENGTH} characters.`
  if (password.length > MAX_PASSWORD_LENGTH) return `The password is longer than ${MAX_PASSWORD_LENGTH} characters.`
  return undefined
}

function usage(message: string, suggestion?: string): CommandError {
  return new CommandError(message, {
    exit: EXIT.usage,
    code: 'USAGE',
    ...(suggestion === undefined ? {} : { suggestion }),
  })
}
