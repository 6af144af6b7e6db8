import { type Static, Type } from '@sinclair/typebox'
import type { PublicRoomsRequest } from '../views/public-rooms.ts'

const MAX_SEARCH_TERM_LENGTH = 1_024
const MAX_ROOM_TYPES = 100

/** The query of `GET /publicRooms`, which clients and servers ask alike. */
export const PublicRoomsQuery = Type.Object({
  limit: Type.Optional(Type.Integer()),
  since: Type.Optional(Type.String()),
  include_all_networks: Type.Optional(Type.Boolean()),
  third_party_instance_id: Type.Optional(Type.String()),
})

/** The body of `POST /publicRooms`. Old clients write null for what they leave out. */
export const PublicRoomsBody = Type.Object({
  limit: Type.Optional(Type.Integer()),
  since: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  filter: Type.Optional(
    Type.Object({
      generic_search_term: Type.Optional(Type.Union([Type.String({ maxLength: MAX_SEARCH_TERM_LENGTH }), Type.Null()])),
      room_types: Type.Optional(
        Type.Union([Type.Array(Type.Union([Type.String(), Type.Null()]), { maxItems: MAX_ROOM_TYPES }), Type.Null()]),
      ),
    }),
  ),
  include_all_networks: Type.Optional(Type.Boolean()),
  third_party_instance_id: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

export function publicRoomsRequest(wish: Static<typeof PublicRoomsBody>): PublicRoomsRequest {
  return {
    limit: wish.limit,
    since: wish.since ?? undefined,
    searchTerm: wish.filter?.generic_search_term ?? undefined,
    roomTypes: wish.filter?.room_types ?? undefined,
    network: wish.third_party_instance_id ?? undefined,
    allNetworks: wish.include_all_networks,
  }
}
