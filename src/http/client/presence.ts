import { Type } from '@sinclair/typebox'
import { setPresence as set } from '../../actions/ephemeral/set-presence.ts'
import { presence } from '../../views/presence.ts'
import { endpoint } from '../endpoint.ts'
import { checkOwner } from './account-data.ts'

const params = Type.Object({ userId: Type.String() })

/** Client-Server API, "Presence". */
export const getPresence = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/presence/{userId}/status',
  aliases: ['r0'],
  auth: 'access-token',
  params,
  handle: (app, { user, params: { userId } }) => presence(app, user.userId, userId),
})

export const setPresence = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/presence/{userId}/status',
  aliases: ['r0'],
  auth: 'access-token',
  params,
  body: Type.Object({
    presence: Type.Union([Type.Literal('online'), Type.Literal('unavailable'), Type.Literal('offline')]),
    status_msg: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  }),
  async handle(app, { user, params: { userId }, body }) {
    checkOwner(user, userId)
    await set(app, userId, body.presence, body.status_msg ?? undefined)
    return {}
  },
})
