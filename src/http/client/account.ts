import { endpoint } from '../endpoint.ts'

/** Client-Server API, "Current account information". */
export const getTokenOwner = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/whoami',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  handle: async (_app, { user }) => ({ user_id: user.userId, device_id: user.deviceId, is_guest: user.guest }),
})
