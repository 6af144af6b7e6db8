import { publicRooms } from '../../views/public-rooms.ts'
import { endpoint } from '../endpoint.ts'
import { PublicRoomsBody, PublicRoomsQuery, publicRoomsRequest } from '../public-rooms.ts'

/** Server-Server API, "Published Room Directory". */
export const getPublicRooms = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/publicRooms',
  auth: 'federation-signature',
  query: PublicRoomsQuery,
  handle: (app, { query }) => publicRooms(app, publicRoomsRequest(query)),
})

export const queryPublicRooms = endpoint({
  method: 'POST',
  path: '/_matrix/federation/v1/publicRooms',
  auth: 'federation-signature',
  body: PublicRoomsBody,
  handle: (app, { body }) => publicRooms(app, publicRoomsRequest(body)),
})
