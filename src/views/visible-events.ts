import type { App } from '../app.ts'
import { isObject, parseJson } from '../core/json.ts'
import { historyVisibilityOf, visibleTo } from '../core/visibility.ts'
import type { EventRow } from '../store/events.ts'
import { membershipHistory } from '../store/memberships.ts'

/**
 * Those of the events that the user may see. The one door to history: every answer with events passes here
 * (Client-Server API, "Room history visibility").
 */
export async function visibleEvents(app: App, userId: string, rows: readonly EventRow[]): Promise<EventRow[]> {
  if (rows.length === 0) return []
  const history = await membershipHistory(app.db, userId, [...new Set(rows.map((row) => row.room))])
  const byRoom = groupByRoom(history)
  return rows.filter((row) => sees(userId, row, byRoom.get(row.room) ?? []))
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

function sees(userId: string, row: EventRow, history: readonly Step[]): boolean {
  // What came without a position (backfilled) lies before everything that this server witnessed.
  const at = row.position ?? 0
  const before = history.findLast((step) => step.position < at)?.membership
  // What becomes of their own membership everybody may know: of a rejected invite, or a ban after leaving.
  if (row.type === 'm.room.member' && row.state_key === userId) return true
  const setting = row.type === 'm.room.history_visibility' ? settingOf(row) : undefined
  return visibleTo({
    visibility: row.history_visibility ?? undefined,
    ...(setting === undefined ? {} : { visibilityAfter: setting }),
    membership: before,
    joinedSince: before === 'join' || history.some((step) => step.position > at && step.membership === 'join'),
  })
}

function settingOf(row: EventRow): string {
  const content = parseJson(row.content)
  return historyVisibilityOf(isObject(content) ? content : undefined)
}
