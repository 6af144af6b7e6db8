import { Type } from '@sinclair/typebox'
import { createRoom as create, type Preset } from '../../actions/rooms/create-room.ts'
import { mayBeUser, type UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint, LARGE_BODY_BYTES } from '../endpoint.ts'
import { AddressInvite, addressIn } from './third-party-membership.ts'

/** Most invites and initial state events of one request. */
const MAX_INVITES = 100
/** Each asks an identity server, one after the other. */
const MAX_ADDRESSES = 10
const MAX_INITIAL_STATE = 200

const Content = Type.Record(Type.String(), Type.Unknown())

/** Client-Server API, "Creation". */
export const createRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/createRoom',
  aliases: ['r0'],
  bodyLimitBytes: LARGE_BODY_BYTES,
  auth: 'access-token',
  suspended: 'refused',
  rateLimit: 'room-creation',
  body: Type.Object({
    creation_content: Type.Optional(Content),
    initial_state: Type.Optional(
      Type.Array(Type.Object({ type: Type.String(), state_key: Type.Optional(Type.String()), content: Content }), {
        maxItems: MAX_INITIAL_STATE,
      }),
    ),
    invite: Type.Optional(Type.Array(Type.String(), { maxItems: MAX_INVITES })),
    invite_3pid: Type.Optional(Type.Array(Type.Object(AddressInvite), { maxItems: MAX_ADDRESSES })),
    is_direct: Type.Optional(Type.Boolean()),
    name: Type.Optional(Type.String()),
    topic: Type.Optional(Type.String()),
    power_level_content_override: Type.Optional(Content),
    preset: Type.Optional(
      Type.Union(['private_chat', 'public_chat', 'trusted_private_chat'].map((name) => Type.Literal(name))),
    ),
    room_alias_name: Type.Optional(Type.String()),
    room_version: Type.Optional(Type.String()),
    visibility: Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('private')])),
  }),
  async handle(app, { user, body }) {
    const invite = (body.invite ?? []) as UserId[]
    for (const userId of invite) {
      if (!mayBeUser(userId, app.serverName)) throw new MatrixError('M_INVALID_PARAM', `${userId} is not a user id.`)
    }
    const addresses = (body.invite_3pid ?? []).map(addressIn)
    const alias = body.room_alias_name
    if (alias !== undefined && (alias === '' || /[\s:\0]/.test(alias))) {
      throw new MatrixError('M_INVALID_PARAM', 'An alias holds no white space, colon or NUL.')
    }
    const roomId = await create(app, {
      creator: user.userId,
      appservice: user.appservice,
      roomVersion: body.room_version,
      preset: body.preset as Preset | undefined,
      visibility: body.visibility,
      name: body.name,
      topic: body.topic,
      aliasLocalpart: alias,
      invite,
      inviteByAddress: addresses,
      isDirect: body.is_direct,
      creationContent: body.creation_content as JsonObject | undefined,
      powerLevelOverride: body.power_level_content_override as JsonObject | undefined,
      initialState: body.initial_state?.map((event) => ({
        type: event.type,
        stateKey: event.state_key ?? '',
        content: event.content as JsonObject,
      })),
    })
    return { room_id: roomId }
  },
})
