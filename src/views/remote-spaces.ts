import type { App } from '../app.ts'
import { isServerName, type ServerName, serverNameOf } from '../core/ids.ts'
import { type JsonObject, own } from '../core/json.ts'
import type { RemoteSummary } from '../core/room-summary.ts'
import { type RemoteSpace, readRemoteSpace } from '../core/space.ts'
import { askServer, federationPath, Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { joinedAmong, membershipOf } from '../store/memberships.ts'
import { roomById } from '../store/rooms.ts'
import { OPEN_JOIN_RULES } from './room-summary.ts'

const SERVERS_MAX = 3
const TIMEOUT_MS = 5_000
const ANSWER_BYTES_MAX = 8_388_608

/**
 * A space that this server is not in, as one of the servers that are named with it tells it (Server-Server API,
 * "Spaces"); undefined when none does. The answer is kept for a while.
 */
export async function remoteSpace(
  app: App,
  roomId: string,
  suggestedOnly: boolean,
  via: readonly ServerName[],
): Promise<RemoteSpace | undefined> {
  const key = `${roomId} ${suggestedOnly}`
  const known = app.live.remoteSpaces.get(key)
  if (known !== undefined) return known.space
  const servers = [...new Set([...via, serverNameOf(roomId)])].filter((name) => isServerName(name))
  let space: RemoteSpace | undefined
  for (const server of servers.filter((name) => name !== app.serverName).slice(0, SERVERS_MAX)) {
    space = await ask(app, server, roomId, suggestedOnly)
    if (space !== undefined) break
  }
  app.live.remoteSpaces.set(key, { space })
  return space
}

async function ask(app: App, server: ServerName, roomId: string, suggestedOnly: boolean) {
  const uri = `${federationPath`/v1/hierarchy/${roomId}`}?suggested_only=${suggestedOnly}`
  try {
    const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
    return readRemoteSpace(await askServer(app, server, { method: 'GET', uri, ...limits }), roomId)
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error
    app.log.info({ room: roomId, server, reason: error.message }, 'a server tells nothing of a space')
    return undefined
  }
}

/** Servers that a child event names. */
export function viaOf(content: JsonObject): ServerName[] {
  const via = own(content, 'via')
  const names = Array.isArray(via) ? (via as readonly unknown[]).slice(0, SERVERS_MAX) : []
  return names.filter((name): name is ServerName => typeof name === 'string' && isServerName(name))
}

/** Whether the user may know of a room that another server describes: it answers for all of ours. */
export async function mayKnowOf(app: App, userId: string, summary: RemoteSummary): Promise<boolean> {
  // A server that says nothing of it has a room that is open to all.
  if (summary.world_readable || OPEN_JOIN_RULES.has(summary.join_rule ?? 'public')) return true
  const room = await roomById(app.db, summary.room_id)
  const member = room === undefined ? undefined : await membershipOf(app.db, room.room, userId)
  if (member?.membership === 'invite') return true
  return (await joinedAmong(app.db, userId, summary.allowed_room_ids ?? [])).size > 0
}
