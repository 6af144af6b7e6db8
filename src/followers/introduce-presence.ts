import { presenceIsOn, presenceNotice } from '../actions/ephemeral/set-presence.ts'
import { tellRoom, tellServer } from '../actions/federation/tell-servers.ts'
import type { App } from '../app.ts'
import { serverNameOf } from '../core/ids.ts'
import type { StoredLogRow } from '../store/log.ts'
import { membershipOf } from '../store/memberships.ts'
import { presenceInRoom, presenceOf } from '../store/presence.ts'
import { serverCameAt } from '../store/room-servers.ts'

/** Users of whose presence a server is told that comes into a room. */
const USERS_MAX = 100

/**
 * Tells those who cannot have heard of it of our users' presence (Server-Server API, "Presence"): a server that came
 * into a room, and the servers of a room that one of ours came into.
 */
export async function introducePresence(app: App, rows: readonly StoredLogRow[]): Promise<void> {
  if (!presenceIsOn(app)) return
  for (const { kind, room, user_id: userId, position } of rows) {
    if (kind !== 'event' || room === null || userId === null) continue
    if ((await membershipOf(app.db, room, userId))?.membership !== 'join') continue
    const server = serverNameOf(userId)
    if (server === app.serverName) {
      const presence = await presenceOf(app.db, userId)
      if (presence !== undefined) await tellRoom(app, room, presenceNotice(app, presence))
    } else if ((await serverCameAt(app.db, room, server)) === position) {
      for (const presence of await presenceInRoom(app.db, room, app.serverName, USERS_MAX))
        tellServer(app, server, presenceNotice(app, presence))
    }
  }
}
