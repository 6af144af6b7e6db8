import type { Logger } from 'pino'
import { createAccount } from '../actions/accounts/create-account.ts'
import { setPassword } from '../actions/accounts/set-password.ts'
import type { Config } from '../config/schema.ts'
import type { UserId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { openApp } from '../open-app.ts'
import type { AccountInput } from './accounts-input.ts'

export interface AccountResult {
  readonly user_id: string
  readonly created: boolean
  readonly admin?: boolean
  readonly password?: string
}

interface Place {
  readonly config: Config
  readonly dir: string
  readonly log: Logger
}

/** Makes the accounts one after the other; `done` hears of each. Errors: MatrixError at the first that fails. */
export async function createAccounts(
  place: Place,
  accounts: readonly AccountInput[],
  ifNotExists: boolean,
  done: (result: AccountResult) => void,
): Promise<AccountResult[]> {
  const app = await openApp({ config: place.config, dir: place.dir, log: place.log, exclusive: false })
  try {
    const results: AccountResult[] = []
    for (const account of accounts) {
      const result = await createOne(app, account, ifNotExists)
      results.push(result)
      done(result)
    }
    return results
  } finally {
    await app.close()
  }
}

async function createOne(
  app: Awaited<ReturnType<typeof openApp>>,
  account: AccountInput,
  ifNotExists: boolean,
): Promise<AccountResult> {
  const { username, password, admin, generated } = account
  try {
    const { userId } = await createAccount(app, { localpart: username, password, admin })
    return { user_id: userId, created: true, admin, ...(generated && password !== undefined ? { password } : {}) }
  } catch (error) {
    const exists = error instanceof MatrixError && error.errcode === 'M_USER_IN_USE'
    if (!exists || !ifNotExists) throw error
    return { user_id: `@${username}:${app.serverName}`, created: false }
  }
}

/** Errors: MatrixError M_NOT_FOUND when there is no such account. */
export async function resetPassword(place: Place, account: AccountInput): Promise<AccountResult> {
  const app = await openApp({ config: place.config, dir: place.dir, log: place.log, exclusive: false })
  try {
    const userId = `@${account.username}:${app.serverName}` as UserId
    await setPassword(app, userId, account.password ?? '', null)
    const shown = account.generated && account.password !== undefined ? { password: account.password } : {}
    return { user_id: userId, created: false, ...shown }
  } finally {
    await app.close()
  }
}
