import { type Static, Type } from '@sinclair/typebox'
import { redeemInvite } from '../../actions/memberships/redeem-invite.ts'
import type { App } from '../../app.ts'
import { isHistoricalUserId, serverNameOf, type UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomForServer } from '../../views/federation/room-access.ts'
import { endpoint } from '../endpoint.ts'

/** Invites that one address collected. */
const INVITES_MAX = 50

const Id = Type.String({ maxLength: 255 })
const Signed = Type.Object({ mxid: Id, token: Id, signatures: Type.Record(Type.String(), Type.Unknown()) })

const WaitingInvite = Type.Object({ room_id: Id, sender: Id, mxid: Id, signed: Signed })
type WaitingInvite = Static<typeof WaitingInvite>

/** Server-Server API, "Third-party invites". */
export const exchangeThirdPartyInvite = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/exchange_third_party_invite/{roomId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String() }),
  body: Type.Object({
    type: Type.Literal('m.room.member'),
    room_id: Type.String(),
    sender: Id,
    state_key: Id,
    content: Type.Object({
      membership: Type.Literal('invite'),
      third_party_invite: Type.Object({ display_name: Type.Optional(Type.String()), signed: Signed }),
    }),
  }),
  async handle(app, { origin, params, body }) {
    const { sender, state_key: target } = body
    if (body.room_id !== params.roomId) throw new MatrixError('M_INVALID_PARAM', 'The event is of another room.')
    if (!isHistoricalUserId(sender) || !isHistoricalUserId(target))
      throw new MatrixError('M_INVALID_PARAM', 'Sender and state key are not user ids.')
    if (serverNameOf(target) !== origin) throw new MatrixError('M_FORBIDDEN', `The user is not of ${origin}.`)
    await roomForServer(app, params.roomId, origin)
    const signed = body.content.third_party_invite.signed as JsonObject
    await redeemInvite(app, { roomId: params.roomId, sender, target, signed })
    return {}
  },
})

/** An identity server tells that an address belongs to one of our users, and which invites wait for it. */
export const onBindThirdPartyIdentifier = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/3pid/onbind',
  auth: 'none',
  rateLimit: 'other',
  body: Type.Object({
    address: Id,
    medium: Id,
    mxid: Id,
    invites: Type.Array(WaitingInvite, { maxItems: INVITES_MAX }),
  }),
  async handle(app, { body }) {
    if (!isHistoricalUserId(body.mxid) || serverNameOf(body.mxid) !== app.serverName)
      throw new MatrixError('M_INVALID_PARAM', 'The user is not of this server.')
    for (const invite of body.invites) await redeem(app, invite, body.mxid)
    return {}
  },
})

/** Identity servers in use send it so. */
export const onBindByPost = endpoint({ ...onBindThirdPartyIdentifier, method: 'POST' })

/** One that has lapsed, or whose server is away, does not keep the others. */
async function redeem(app: App, invite: WaitingInvite, target: UserId): Promise<void> {
  const { room_id: roomId, sender, signed } = invite
  if (!isHistoricalUserId(sender)) return
  try {
    await redeemInvite(app, { roomId, sender, target, signed: signed as JsonObject })
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    app.log.info({ room: roomId, user: target, reason: error.message }, 'an invite to an address was not redeemed')
  }
}
