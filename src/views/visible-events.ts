import type { App } from '../app.ts'
import { membershipAtEvent } from '../core/client-event.ts'
import { serverNameOf } from '../core/ids.ts'
import { isObject, parseJson } from '../core/json.ts'
import { roomVersion } from '../core/room-version.ts'
import { historyVisibilityOf, visibleTo } from '../core/visibility.ts'
import type { EventRow } from '../store/events.ts'
import { membershipHistory } from '../store/memberships.ts'
import { targetsOf } from '../store/redactions.ts'
import { type Aged, expiredIn } from './expired.ts'

/**
 * Those of the events that the user may see. The one door to history: every answer with events passes here
 * (Client-Server API, "Room history visibility").
 */
export async function visibleEvents(app: App, userId: string, rows: readonly EventRow[]): Promise<EventRow[]> {
  const sight = await sightOf(app, userId, rows)
  const idle = await idleRedactions(app, rows)
  return rows.filter((row) => sight.sees(row) && !idle.has(row))
}

/**
 * Redactions that redact nothing: what they name is not here, or of another room, or they may not (room version 3,
 * "Handling redactions"). In versions 1 and 2 the rules of the room have decided, and of history from before our time
 * the servers that gave it.
 */
export async function idleRedactions(app: App, rows: readonly EventRow[]): Promise<ReadonlySet<EventRow>> {
  const redactions = rows.filter((row) => row.type === 'm.room.redaction')
  if (redactions.length === 0) return new Set()
  const targets = await targetsOf(
    app.db,
    redactions.map((row) => row.event),
  )
  const byRedaction = new Map(targets.map((target) => [target.redaction, target]))
  return new Set(
    redactions.filter((row) => {
      const target = byRedaction.get(row.event)
      if (target === undefined || roomVersion(target.version ?? '')?.redactionInAuth === true) return false
      if (target.room !== row.room || target.sender === null) return true
      const applies = target.redacted_by === row.event || serverNameOf(target.sender) === serverNameOf(row.sender)
      return !applies && row.position !== null
    }),
  )
}

/** What of an event decides who sees it. */
export type Seen = Aged & Pick<EventRow, 'position' | 'type' | 'content' | 'history_visibility'>

/** What one user may see of some rooms. */
export interface Sight {
  sees(row: Seen): boolean
  /** The user's membership once the event has happened: `leave` before there was any. */
  membershipAt(row: Seen): string
}

/** The user's sight of the rooms that these events are of. */
export async function sightOf(app: App, userId: string, rows: readonly Pick<Seen, 'room'>[]): Promise<Sight> {
  const rooms = [...new Set(rows.map((row) => row.room))]
  const isExpired = await expiredIn(app, rooms)
  const byRoom = groupByRoom(rooms.length === 0 ? [] : await membershipHistory(app.db, userId, rooms))
  return {
    sees: (row) => !isExpired(row) && sees(userId, row, byRoom.get(row.room) ?? []),
    membershipAt(row) {
      const own = isOwnMembership(userId, row) ? ownChange(row) : undefined
      return membershipAtEvent(membershipBefore(row, byRoom.get(row.room) ?? []), own)
    },
  }
}

interface Step {
  readonly room: number
  readonly position: number
  readonly membership: string
}

function groupByRoom(history: readonly Step[]): Map<number, Step[]> {
  const byRoom = new Map<number, Step[]>()
  for (const step of history) {
    const steps = byRoom.get(step.room)
    if (steps === undefined) byRoom.set(step.room, [step])
    else steps.push(step)
  }
  return byRoom
}

function sees(userId: string, row: Seen, history: readonly Step[]): boolean {
  // What becomes of their own membership everybody may know: of a rejected invite, or a ban after leaving.
  if (isOwnMembership(userId, row)) return true
  const before = membershipBefore(row, history)
  const setting = row.type === 'm.room.history_visibility' ? settingOf(row) : undefined
  return visibleTo({
    visibility: row.history_visibility ?? undefined,
    ...(setting === undefined ? {} : { visibilityAfter: setting }),
    membership: before,
    joinedSince:
      before === 'join' || history.some((step) => step.position > placeOf(row) && step.membership === 'join'),
  })
}

/** What came without a position (backfilled) lies before everything that this server witnessed. */
function placeOf(row: Seen): number {
  return row.position ?? 0
}

function membershipBefore(row: Seen, history: readonly Step[]): string | undefined {
  return history.findLast((step) => step.position < placeOf(row))?.membership
}

function isOwnMembership(userId: string, row: Seen): boolean {
  return row.type === 'm.room.member' && row.state_key === userId
}

function ownChange(row: Seen): string | undefined {
  const content = parseJson(row.content)
  const membership = isObject(content) ? content.membership : undefined
  return typeof membership === 'string' ? membership : undefined
}

function settingOf(row: Seen): string {
  const content = parseJson(row.content)
  return historyVisibilityOf(isObject(content) ? content : undefined)
}
