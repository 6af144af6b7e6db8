import type { App } from '../../app.ts'
import { isObject, own, parseJson } from '../../core/json.ts'
import type { Appservice } from '../../live/appservices.ts'
import { localMembersBefore, type NamedRoom } from '../../store/appservice-news.ts'
import type { EventRow } from '../../store/events.ts'

/** A room with its aliases of this server. */
export interface KnownRoom {
  readonly room: number
  readonly roomId: string
  readonly version: string | null
  readonly aliases: readonly string[]
}

/**
 * What concerns an application service (Application Service API, "Registration"), for a reader that goes on in the log:
 * who of its users is in a room counts as it was at the place in the log, so that one that was away is told what it
 * would have been told then.
 */
export interface Interest {
  /** Whether something at or after the position may concern it that happens in the room, as far as is seen so far. */
  mayConcern(room: KnownRoom, position: number): Promise<boolean>
  /** Events of such rooms are shown in the order of the log, each once. */
  ofEvent(event: EventRow, room: KnownRoom): Promise<boolean>
  /** Who is in the room changed without an event: it is looked up again. */
  forget(room: number): void
  /** Whether one of its users is in the room after the position, which the events have reached. */
  isIn(room: number, position: number): Promise<boolean>
}

/** Rooms whose members are remembered. */
const ROOMS_MAX = 1_000

export function createInterest(app: App, appservice: Appservice): Interest {
  /** Users of the application service who are in a room, at the place of the reader. */
  const present = new Map<number, Set<string>>()

  async function presentIn(room: number, position: number): Promise<Set<string>> {
    const known = present.get(room)
    if (known !== undefined) return known
    const members = await localMembersBefore(app.db, room, app.serverName, position)
    const found = new Set<string>(members.filter((userId) => appservice.hasUser(userId)))
    if (present.size >= ROOMS_MAX) present.clear()
    present.set(room, found)
    return found
  }

  const namesRoom = ({ roomId, aliases }: KnownRoom) =>
    appservice.hasRoom(roomId) || aliases.some((alias) => appservice.hasAlias(alias))

  return {
    async mayConcern(room, position) {
      return namesRoom(room) || (await presentIn(room.room, position)).size > 0
    },
    forget(room) {
      present.delete(room)
    },
    async ofEvent(event, room) {
      const members = await presentIn(event.room, event.position ?? 0)
      const wasIn = members.size > 0
      const target = event.type === 'm.room.member' && event.state_key !== null ? event.state_key : undefined
      const isTarget = target !== undefined && appservice.hasUser(target)
      if (isTarget && membershipIn(event) === 'join') members.add(target)
      else if (isTarget) members.delete(target)
      return wasIn || isTarget || appservice.hasUser(event.sender) || namesRoom(room)
    },
    async isIn(room, position) {
      return (await presentIn(room, position + 1)).size > 0
    },
  }
}

function membershipIn(event: EventRow): unknown {
  const content = parseJson(event.content)
  return isObject(content) ? own(content, 'membership') : undefined
}

export function knownRooms(rows: readonly NamedRoom[]): Map<number, KnownRoom> {
  const rooms = new Map<number, KnownRoom & { aliases: string[] }>()
  for (const { room, room_id: roomId, version, alias } of rows) {
    const known = rooms.get(room) ?? { room, roomId, version, aliases: [] }
    rooms.set(room, known)
    if (alias !== null) known.aliases.push(alias)
  }
  return rooms
}
