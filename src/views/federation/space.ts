import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import { allowedRoomIds, isRestricted } from '../../core/join-rules.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { childState } from '../../core/space.ts'
import { membersOfServer, serverIsInAny } from '../../store/room-servers.ts'
import { type RoomSummary, roomsWeAreIn } from '../../store/rooms.ts'
import { serverAclOf } from '../../store/server-acl.ts'
import { contentsOf } from '../../store/state.ts'
import { OPEN_JOIN_RULES, summaryOf } from '../room-summary.ts'
import { childrenOf } from '../space-children.ts'

/**
 * A room and its children as far as the users of a server could come in or look in (Server-Server API, "Spaces").
 * Errors: M_NOT_FOUND.
 */
export async function spaceForServer(app: App, server: ServerName, roomId: string, suggestedOnly: boolean) {
  const [room] = await roomsWeAreIn(app.db, app.serverName, [roomId])
  const summary = room && (await summaryFor(app, server, room))
  if (room === undefined || summary === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known.')
  const childEvents = await childrenOf(app, room, suggestedOnly)
  const children: object[] = []
  const inaccessible: string[] = []
  const ids = childEvents.map((child) => child.state_key)
  for (const child of await roomsWeAreIn(app.db, app.serverName, ids)) {
    const shown = await summaryFor(app, server, child)
    if (shown === undefined) inaccessible.push(child.room_id)
    else children.push(shown)
  }
  return {
    room: { ...summary, children_state: childEvents.map(childState) },
    children,
    inaccessible_children: inaccessible,
  }
}

/** undefined: no user of the server gets in. */
async function summaryFor(app: App, server: ServerName, room: RoomSummary): Promise<object | undefined> {
  if (!(await serverAclOf(app.db, room.room))(server)) return undefined
  const rules = isRestricted(room.join_rule) ? await contentsOf(app.db, [room.room], 'm.room.join_rules') : undefined
  const allowed = allowedRoomIds(rules?.get(room.room))
  const open = OPEN_JOIN_RULES.has(room.join_rule ?? '') || room.history_visibility === 'world_readable'
  if (open || (await hasGuests(app, server, room)) || (await serverIsInAny(app.db, allowed, server)))
    return summaryOf(room, allowed)
  return undefined
}

/** A user of the server is in the room, or invited. */
async function hasGuests(app: App, server: ServerName, room: RoomSummary): Promise<boolean> {
  const members = await membersOfServer(app.db, room.room, server)
  return members.some(({ membership }) => membership === 'join' || membership === 'invite')
}
