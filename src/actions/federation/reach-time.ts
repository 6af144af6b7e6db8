import type { App } from '../../app.ts'
import { own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { askServer, federationPath, Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { gapsOf } from '../../store/gaps.ts'
import { knownInHistory } from '../../store/pdus.ts'
import { serversIn } from '../../store/room-servers.ts'
import { roomById } from '../../store/rooms.ts'
import { backfillRoom } from './backfill-room.ts'

/** Servers asked, and pages of history fetched until what they name is reached. */
const SERVERS_MAX = 3
const PAGES_MAX = 5
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 65_536

export interface Moment {
  /** Milliseconds since 1970. */
  readonly ts: number
  readonly dir: 'b' | 'f'
  /** The time of the nearest event that is held. */
  readonly nearest: number | undefined
}

/**
 * Where the history that we hold of a room has gaps, asks the other servers for the event nearest to a time
 * (Server-Server API, "Getting the closest event to a timestamp") and fetches history up to it. Resolves with whether
 * there is more of that now.
 */
export async function reachTime(app: App, roomId: string, moment: Moment): Promise<boolean> {
  const room = await roomById(app.db, roomId)
  if (room === undefined || (await gapsOf(app.db, room.room, 1)).length === 0) return false
  const servers = (await serversIn(app.db, room.room)).filter((server) => server !== app.serverName)
  for (const server of servers.slice(0, SERVERS_MAX)) {
    const uri = `${federationPath`/v1/timestamp_to_event/${roomId}`}?ts=${moment.ts}&dir=${moment.dir}`
    const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
    try {
      const answer = await askServer(app, server, { method: 'GET', uri, ...limits })
      const [eventId, ts] = [own(answer, 'event_id'), own(answer, 'origin_server_ts')]
      if (typeof eventId === 'string' && typeof ts === 'number' && isNearer(moment, ts))
        return await fetchUpTo(app, roomId, eventId)
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable || error instanceof MatrixError)) throw error
      app.log.info({ room: roomId, server, reason: error.message }, 'a server names no event of that time')
    }
  }
  return false
}

function isNearer({ ts, nearest }: Moment, other: number): boolean {
  return nearest === undefined || Math.abs(other - ts) < Math.abs(nearest - ts)
}

async function fetchUpTo(app: App, roomId: string, eventId: string): Promise<boolean> {
  for (let page = 0; page < PAGES_MAX; page++) {
    if ((await knownInHistory(app.db, [eventId])).size > 0) return true
    if (!(await backfillRoom(app, roomId))) return page > 0
  }
  return true
}
