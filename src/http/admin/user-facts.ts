import { Type } from '@sinclair/typebox'
import { checkUserNameFree } from '../../actions/accounts/create-account.ts'
import { openUnseenSession } from '../../actions/sessions/log-in.ts'
import { canonicalEmail } from '../../core/email-address.ts'
import { parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { allAccountData } from '../../store/account-data.ts'
import { everyMembershipOf } from '../../store/memberships.ts'
import { userOfExternalId } from '../../store/sso.ts'
import { threepidOwner } from '../../store/threepids.ts'
import { pushers } from '../../views/pushers.ts'
import { UserName } from '../texts.ts'
import { adminEndpoint, localUser } from './administrator.ts'

const PATH = '/_synapse/admin/v1'
const MEMBERSHIPS_MAX = 100_000
const TIME_MAX = 8_640_000_000_000_000
const Params = Type.Object({ userId: Type.String() })

/** What is kept of a user, as the administration API of Synapse has it. */
export const getAccountDataOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/users/{userId}/accountdata`,
  confidential: true,
  params: Params,
  async handle(app, { params }) {
    const rows = await allAccountData(app.db, (await localUser(app, params.userId)).user_id)
    const byRoom = new Map<string, [type: string, content: unknown][]>([['', []]])
    for (const { room_id: roomId, type, content } of rows)
      byRoom.set(roomId, [...(byRoom.get(roomId) ?? []), [type, parseJson(content)]])
    const [[, global], ...rooms] = [...byRoom] as [[string, [string, unknown][]], ...[string, [string, unknown][]][]]
    return {
      account_data: {
        global: Object.fromEntries(global),
        rooms: Object.fromEntries(rooms.map(([roomId, entries]) => [roomId, Object.fromEntries(entries)])),
      },
    }
  },
})

export const getPushersOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/users/{userId}/pushers`,
  params: Params,
  async handle(app, { params }) {
    const set = await pushers(app, (await localUser(app, params.userId)).user_id)
    return { pushers: set, total: set.length }
  },
})

export const getMembershipsOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/users/{userId}/memberships`,
  params: Params,
  async handle(app, { params }) {
    const rows = await everyMembershipOf(app.db, params.userId, MEMBERSHIPS_MAX)
    return { memberships: Object.fromEntries(rows.map((row) => [row.room_id, row.membership])) }
  },
})

/** A token with which an administrator acts as the user, who sees no device of it. */
export const logInAs = adminEndpoint({
  method: 'POST',
  path: `${PATH}/users/{userId}/login`,
  rateLimit: 'other',
  params: Params,
  body: Type.Object({ valid_until_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: TIME_MAX })) }),
  async handle(app, { user, params, body }) {
    const { user_id: userId } = await localUser(app, params.userId)
    if (userId === user.userId) throw new MatrixError('M_INVALID_PARAM', 'You are logged in as yourself.')
    return { access_token: await openUnseenSession(app, userId, body.valid_until_ms ?? null) }
  },
})

/** Also where registration is closed. */
export const getUserNameAvailable = adminEndpoint({
  method: 'GET',
  path: `${PATH}/username_available`,
  query: Type.Object({ username: UserName }),
  async handle(app, { query }) {
    await checkUserNameFree(app, query.username)
    return { available: true }
  },
})

export const getUserOfProvider = adminEndpoint({
  method: 'GET',
  path: `${PATH}/auth_providers/{provider}/users/{externalId}`,
  params: Type.Object({ provider: Type.String(), externalId: Type.String() }),
  handle: async (app, { params }) =>
    found(await userOfExternalId(app.db, { provider: params.provider, subject: params.externalId })),
})

export const getUserOfThreepid = adminEndpoint({
  method: 'GET',
  path: `${PATH}/threepid/{medium}/users/{address}`,
  params: Type.Object({ medium: Type.String(), address: Type.String() }),
  async handle(app, { params: { medium, address } }) {
    const spelled = medium === 'email' ? canonicalEmail(address) : address
    return found(spelled === undefined ? undefined : await threepidOwner(app.db, { medium, address: spelled }))
  },
})

function found(userId: string | undefined): { user_id: string } {
  if (userId === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  return { user_id: userId }
}
