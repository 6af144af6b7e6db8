import type { App } from '../app.ts'
import { isServerName } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { readRoomSummary } from '../core/room-summary.ts'
import { askServer, asMatrixError } from '../remote/ask-server.ts'
import { type PublicRoomsRequest, publicRooms } from './public-rooms.ts'

const TIMEOUT_MS = 20_000
const ANSWER_BYTES_MAX = 4_194_304
/** Rooms of one answer that are shown, and characters of a token. */
const ROOMS_MAX = 500
const TOKEN_LENGTH_MAX = 4_096

/**
 * The directory of any server (Server-Server API, "Published Room Directory"). Errors: M_INVALID_PARAM, what the other
 * server said, M_UNKNOWN (502) when it is away.
 */
export async function publicRoomsOf(
  app: App,
  server: string | undefined,
  request: PublicRoomsRequest,
): Promise<Record<string, unknown>> {
  if (server === undefined || server === app.serverName) return publicRooms(app, request)
  if (!isServerName(server)) throw new MatrixError('M_INVALID_PARAM', `${server} is not the name of a server.`)
  const uri = '/_matrix/federation/v1/publicRooms'
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
  try {
    return readAnswer(await askServer(app, server, { method: 'POST', uri, content: contentOf(request), ...limits }))
  } catch (error) {
    throw asMatrixError(server, error)
  }
}

function contentOf(request: PublicRoomsRequest): JsonObject {
  const { limit, since, searchTerm, roomTypes, network, allNetworks } = request
  const filter = {
    ...(searchTerm === undefined ? {} : { generic_search_term: searchTerm }),
    ...(roomTypes === undefined ? {} : { room_types: roomTypes }),
  }
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(since === undefined ? {} : { since }),
    ...(network === undefined ? {} : { third_party_instance_id: network }),
    ...(allNetworks === undefined ? {} : { include_all_networks: allNetworks }),
    ...(Object.keys(filter).length === 0 ? {} : { filter }),
  }
}

function readAnswer(answer: JsonObject): Record<string, unknown> {
  const chunk = own(answer, 'chunk')
  const rooms = Array.isArray(chunk) ? (chunk as readonly JsonValue[]).slice(0, ROOMS_MAX) : []
  const estimate = own(answer, 'total_room_count_estimate')
  const tokens = ['next_batch', 'prev_batch'].flatMap((key) => {
    const token = own(answer, key)
    return typeof token === 'string' && token.length <= TOKEN_LENGTH_MAX ? [[key, token]] : []
  })
  return {
    chunk: rooms.filter(isObject).flatMap((room) => readRoomSummary(room) ?? []),
    ...Object.fromEntries(tokens),
    ...(typeof estimate === 'number' && Number.isSafeInteger(estimate) ? { total_room_count_estimate: estimate } : {}),
  }
}
