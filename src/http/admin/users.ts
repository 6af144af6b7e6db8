import { Type } from '@sinclair/typebox'
import { appointAdministrator } from '../../actions/accounts/appoint-administrator.ts'
import { createAccount } from '../../actions/accounts/create-account.ts'
import { deactivate } from '../../actions/accounts/deactivate.ts'
import { evacuateUser } from '../../actions/accounts/evacuate-user.ts'
import { moderateAccount } from '../../actions/accounts/moderate-account.ts'
import { reactivate } from '../../actions/accounts/reactivate.ts'
import { setPassword } from '../../actions/accounts/set-password.ts'
import { setProfile } from '../../actions/accounts/set-profile.ts'
import type { App } from '../../app.ts'
import { localpartOf, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { countUsers, type ListedUser, listedUser, listUsers } from '../../store/admin-users.ts'
import { joinedRooms } from '../../store/memberships.ts'
import { externalIdsOf } from '../../store/sso.ts'
import { threepidsOf } from '../../store/threepids.ts'
import { userById } from '../../store/users.ts'
import { whois } from '../../views/whois.ts'
import type { Requester } from '../endpoint.ts'
import { DeviceName, text } from '../texts.ts'
import { adminEndpoint, localUser, localUserId } from './administrator.ts'
import { Direction, Page, pageOf } from './paging.ts'

const Params = Type.Object({ userId: Type.String() })
const SEARCH_LENGTH_MAX = 255
const Password = Type.String({ maxLength: 512 })
const AVATAR_LENGTH_MAX = 1_000

const Search = Type.Object({
  ...Page,
  user_id: Type.Optional(text(SEARCH_LENGTH_MAX)),
  name: Type.Optional(text(SEARCH_LENGTH_MAX)),
  guests: Type.Optional(Type.Boolean()),
  admins: Type.Optional(Type.Boolean()),
  deactivated: Type.Optional(Type.Boolean()),
  locked: Type.Optional(Type.Boolean()),
  order_by: Type.Optional(text(SEARCH_LENGTH_MAX)),
  dir: Direction,
})

/**
 * The accounts of this server, as the administration API of Synapse has them; those that are closed or locked, if
 * asked for.
 */
export const listAccounts = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v2/users',
  query: Search,
  handle: (app, { query }) => accounts(app, query, query.deactivated === true ? undefined : false),
})

/** The newer list: those that are closed, those that are not, or both. */
export const listAccountsV3 = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v3/users',
  query: Search,
  handle: (app, { query }) => accounts(app, query, query.deactivated),
})

async function accounts(app: App, query: typeof Search.static, deactivated: boolean | undefined) {
  const page = pageOf(query)
  const search = {
    ...page,
    userId: query.user_id ?? '',
    name: query.name ?? '',
    guests: query.guests ?? true,
    admins: query.admins,
    deactivated,
    locked: query.locked === true ? undefined : false,
    order: query.order_by ?? 'name',
    backwards: query.dir === 'b',
  }
  const [users, total] = [await listUsers(app.db, search), await countUsers(app.db, search)]
  const next = page.from + users.length
  return { users: users.map(summary), total, ...(next < total && { next_token: String(next) }) }
}

export const getAccount = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v2/users/{userId}',
  params: Params,
  handle: async (app, { params }) => details(app, (await localUser(app, params.userId)).user_id),
})

/** Makes the account, or changes what is named of it. Addresses and logins elsewhere are left as they are. */
export const putAccount = adminEndpoint({
  method: 'PUT',
  path: '/_synapse/admin/v2/users/{userId}',
  rateLimit: 'other',
  params: Params,
  body: Type.Object({
    password: Type.Optional(Password),
    logout_devices: Type.Optional(Type.Boolean()),
    displayname: Type.Optional(Type.Union([DeviceName, Type.Null()])),
    avatar_url: Type.Optional(Type.Union([text(AVATAR_LENGTH_MAX), Type.Null()])),
    admin: Type.Optional(Type.Boolean()),
    deactivated: Type.Optional(Type.Boolean()),
    locked: Type.Optional(Type.Boolean()),
  }),
  async handle(app, { user, params, body, reply }) {
    const userId = localUserId(app, params.userId)
    const isNew = (await userById(app.db, userId)) === undefined
    if (isNew) {
      const account = { localpart: localpartOf(userId), password: body.password, admin: body.admin === true }
      await createAccount(app, account)
    }
    const { password: _set, admin: _appointed, ...rest } = body
    await change(app, user, userId, isNew ? rest : body)
    reply.code(isNew ? 201 : 200)
    return details(app, userId)
  },
})

export const deactivateAccountOf = adminEndpoint({
  method: 'POST',
  path: '/_synapse/admin/v1/deactivate/{userId}',
  rateLimit: 'other',
  params: Params,
  body: Type.Object({ erase: Type.Optional(Type.Boolean()) }),
  async handle(app, { user, params, body }) {
    await close(app, user, (await localUser(app, params.userId)).user_id, body.erase === true)
    return { id_server_unbind_result: 'success' }
  },
})

export const resetPasswordOf = adminEndpoint({
  method: 'POST',
  path: '/_synapse/admin/v1/reset_password/{userId}',
  rateLimit: 'other',
  params: Params,
  body: Type.Object({ new_password: Password, logout_devices: Type.Optional(Type.Boolean()) }),
  async handle(app, { params, body }) {
    const { user_id: userId } = await localUser(app, params.userId)
    await setPassword(app, userId, body.new_password, body.logout_devices === false ? undefined : null)
    return {}
  },
})

export const getAdministrator = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/users/{userId}/admin',
  params: Params,
  handle: async (app, { params }) => ({ admin: (await localUser(app, params.userId)).kind === 'admin' }),
})

export const putAdministrator = adminEndpoint({
  method: 'PUT',
  path: '/_synapse/admin/v1/users/{userId}/admin',
  rateLimit: 'other',
  params: Params,
  body: Type.Object({ admin: Type.Boolean() }),
  async handle(app, { user, params, body }) {
    await change(app, user, (await localUser(app, params.userId)).user_id, body)
    return {}
  },
})

export const suspendAccount = adminEndpoint({
  method: 'PUT',
  path: '/_synapse/admin/v1/suspend/{userId}',
  rateLimit: 'other',
  params: Params,
  body: Type.Object({ suspend: Type.Boolean() }),
  async handle(app, { user, params, body }) {
    const { user_id: userId } = await localUser(app, params.userId)
    checkNotSelf(user, userId)
    await moderateAccount(app, userId, 'suspended', body.suspend)
    return { [`user_${userId}_suspended`]: body.suspend }
  },
})

export const getWhoIsForAdministrators = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/whois/{userId}',
  params: Params,
  handle: async (app, { params }) => whois(app, (await localUser(app, params.userId)).user_id),
})

export const getJoinedRoomsOf = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/users/{userId}/joined_rooms',
  params: Params,
  async handle(app, { params }) {
    const rooms = await joinedRooms(app.db, params.userId)
    return { joined_rooms: rooms.map((room) => room.room_id), total: rooms.length }
  },
})

interface Changes {
  readonly password?: string
  readonly logout_devices?: boolean
  readonly displayname?: string | null
  readonly avatar_url?: string | null
  readonly admin?: boolean
  readonly deactivated?: boolean
  readonly locked?: boolean
}

async function change(app: App, admin: Requester, userId: UserId, changes: Changes): Promise<void> {
  const { password, deactivated, locked } = changes
  const closed = (await userById(app.db, userId))?.deactivated === 1
  if (deactivated === true && !closed) return close(app, admin, userId, false)
  if (closed && deactivated === false) await open(app, userId, password)
  else if (password !== undefined) {
    await setPassword(app, userId, password, changes.logout_devices === false ? undefined : null)
  }
  for (const key of ['displayname', 'avatar_url'] as const) {
    const value = changes[key]
    if (value !== undefined) await setProfile(app, userId, key, value === null || value === '' ? undefined : value)
  }
  if (changes.admin !== undefined) {
    if (!changes.admin) checkNotSelf(admin, userId)
    await appointAdministrator(app, userId, changes.admin)
  }
  if (locked !== undefined) {
    if (locked) checkNotSelf(admin, userId)
    await moderateAccount(app, userId, 'locked', locked)
  }
}

async function open(app: App, userId: UserId, password: string | undefined): Promise<void> {
  if (password === undefined) throw new MatrixError('M_MISSING_PARAM', 'An account is opened again with a password.')
  await reactivate(app, userId, password)
}

async function close(app: App, admin: Requester, userId: UserId, erase: boolean): Promise<void> {
  checkNotSelf(admin, userId)
  await deactivate(app, userId, erase)
  await evacuateUser(app, { userId }, () => undefined)
}

function checkNotSelf(admin: Requester, userId: string): void {
  if (admin.userId === userId) throw new MatrixError('M_FORBIDDEN', 'Nobody does this to themselves.')
}

function summary(row: ListedUser) {
  return {
    name: row.user_id,
    user_type: null,
    is_guest: row.kind === 'guest',
    admin: row.kind === 'admin',
    deactivated: row.deactivated === 1,
    erased: row.erased === 1,
    locked: row.locked === 1,
    suspended: row.suspended === 1,
    shadow_banned: false,
    displayname: row.displayname === null ? null : JSON.parse(row.displayname),
    avatar_url: row.avatar_url === null ? null : JSON.parse(row.avatar_url),
    creation_ts: row.created_ts,
    last_seen_ts: row.last_seen_ts,
  }
}

async function details(app: App, userId: string): Promise<object> {
  const row = await listedUser(app.db, userId)
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  const externalIds = await externalIdsOf(app.db, userId)
  return {
    ...summary(row),
    appservice_id: row.appservice_id,
    consent_version: row.consent_version,
    threepids: (await threepidsOf(app.db, userId)).map(({ medium, address, validated_ts, added_ts }) => ({
      medium,
      address,
      validated_at: validated_ts,
      added_at: added_ts,
    })),
    external_ids: externalIds.map(({ provider, external_id }) => ({ auth_provider: provider, external_id })),
  }
}
