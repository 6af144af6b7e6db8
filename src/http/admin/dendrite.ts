import { Type } from '@sinclair/typebox'
import { evacuateUser } from '../../actions/accounts/evacuate-user.ts'
import { setPassword } from '../../actions/accounts/set-password.ts'
import { evacuateRoom } from '../../actions/rooms/evacuate-room.ts'
import { PROGRAM } from '../../config/program.ts'
import { endpoint } from '../endpoint.ts'
import { adminEndpoint, localUser } from './administrator.ts'

const UserParams = Type.Object({ userId: Type.String() })

/** The administration API of the Go Dendrite. */
export const evacuateRoomByAdministrator = adminEndpoint({
  method: 'POST',
  path: '/_dendrite/admin/evacuateRoom/{roomId}',
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String() }),
  handle: async (app, { params }) => ({ affected: (await evacuateRoom(app, params.roomId)).left }),
})

/** Goes on after a room that cannot be left, and leaves it out of `affected`. */
export const evacuateUserByAdministrator = adminEndpoint({
  method: 'POST',
  path: '/_dendrite/admin/evacuateUser/{userId}',
  rateLimit: 'other',
  params: UserParams,
  async handle(app, { params }) {
    const { user_id: userId } = await localUser(app, params.userId)
    const rooms = await evacuateUser(app, { userId }, () => undefined)
    return { affected: rooms.filter((room) => room.error === undefined).map((room) => room.room_id) }
  },
})

export const resetPasswordByAdministrator = adminEndpoint({
  method: 'POST',
  path: '/_dendrite/admin/resetPassword/{userId}',
  rateLimit: 'other',
  params: UserParams,
  body: Type.Object({
    password: Type.String({ maxLength: 512 }),
    logout_devices: Type.Optional(Type.Boolean()),
  }),
  async handle(app, { params, body }) {
    const { user_id: userId } = await localUser(app, params.userId)
    await setPassword(app, userId, body.password, body.logout_devices === true ? null : undefined)
    return { password_updated: true }
  },
})

/** What tools for Synapse ask first. Other servers are told the same. */
export const getServerVersion = endpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/server_version',
  auth: 'none',
  handle: async () => ({ server_version: `${PROGRAM.name} ${PROGRAM.version}` }),
})
