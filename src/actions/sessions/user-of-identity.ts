import type { App } from '../../app.ts'
import { isValidUserId, localpartFrom, userId as makeUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Identity, ProviderConfig } from '../../remote/identity-provider.ts'
import { type ExternalId, externalIdIsFree, insertExternalId, userOfExternalId } from '../../store/sso.ts'
import { userById } from '../../store/users.ts'
import { createAccount } from '../accounts/create-account.ts'
import { write } from '../write.ts'

/** Longest display name that is taken from a provider. */
const DISPLAY_NAME_LENGTH_MAX = 256

export interface Newcomer {
  readonly external: ExternalId
  readonly displayName: string
}

/**
 * The local user whom a provider speaks of: known from an earlier login, or made now. A newcomer whose name is taken,
 * or says nothing, has to choose one. Errors: M_FORBIDDEN where the provider brings no new users, or the account is
 * closed.
 */
export async function userOfIdentity(app: App, config: ProviderConfig, identity: Identity): Promise<UserId | Newcomer> {
  const external = { provider: config.id, subject: identity.subject }
  const known = await userOfExternalId(app.db, external)
  if (known !== undefined) return open(app, known as UserId)
  const localpart = localpartFrom(filled(config.localpart_template, identity.claims))
  const userId = makeUserId(localpart, app.serverName)
  const taken = isValidUserId(userId) && (await userById(app.db, userId)) !== undefined
  if (taken && config.allow_existing_users) return open(app, await link(app, external, userId))
  if (!config.enable_registration) {
    throw new MatrixError('M_FORBIDDEN', 'There is no account here for you, and none is made.')
  }
  const displayName = filled(config.display_name_template, identity.claims).slice(0, DISPLAY_NAME_LENGTH_MAX)
  const newcomer = { external, displayName }
  if (taken || !isValidUserId(userId)) return newcomer
  try {
    return await registerNewcomer(app, newcomer, localpart)
  } catch (error) {
    // Somebody else has taken the name in between.
    if (error instanceof MatrixError && error.errcode === 'M_USER_IN_USE') return newcomer
    throw error
  }
}

/**
 * Makes the account of a newcomer. Of several tries at once all get the account that one of them made. Errors:
 * M_USER_IN_USE, M_INVALID_USERNAME.
 */
export async function registerNewcomer(app: App, newcomer: Newcomer, localpart: string): Promise<UserId> {
  const { external, displayName } = newcomer
  const account = { localpart, password: undefined, admin: false, external }
  try {
    return (await createAccount(app, displayName === '' ? account : { ...account, displayName })).userId
  } catch (error) {
    const known = await userOfExternalId(app.db, external)
    if (known !== undefined) return open(app, known as UserId)
    throw error
  }
}

async function link(app: App, external: ExternalId, userId: UserId): Promise<UserId> {
  const writes = [insertExternalId(external, userId)]
  await write(app, { guards: [externalIdIsFree(external)], writes, log: [{ kind: 'user', user: userId }] })
  return ((await userOfExternalId(app.db, external)) ?? userId) as UserId
}

async function open(app: App, userId: UserId): Promise<UserId> {
  const user = await userById(app.db, userId)
  if (user === undefined || user.deactivated === 1) throw new MatrixError('M_FORBIDDEN', 'This account is closed.')
  if (user.locked === 1) throw new MatrixError('M_FORBIDDEN', 'This account is locked.')
  return userId
}

/** `{claim}` stands for the claim; empty where one of them is missing. */
function filled(template: string, claims: Identity['claims']): string {
  let missing = false
  const text = template.replace(/\{([^{}]+)\}/g, (_all, name: string) => {
    const claim = Object.hasOwn(claims, name) ? claims[name] : undefined
    if (typeof claim !== 'string' || claim === '') missing = true
    return String(claim)
  })
  return missing ? '' : text.replaceAll('\0', '')
}
