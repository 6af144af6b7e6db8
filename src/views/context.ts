import type { App } from '../app.ts'
import { type EventFilter, eventFilterMatches } from '../core/filter.ts'
import type { EventRow } from '../store/events.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { historyOf, pastRow, scan } from './history.ts'
import { sendersOf } from './messages.ts'
import { visibleEvent } from './readable-event.ts'
import { readableRoom } from './readable-room.ts'
import { stateAfter } from './room-state.ts'
import { placeToken } from './tokens.ts'

export interface ContextRequest {
  readonly viewer: Viewer
  readonly roomId: string
  readonly eventId: string
  readonly limit: number
  readonly filter: EventFilter
}

/**
 * An event with those around it and the state at the last of them, as JSON text
 * (`GET /rooms/{roomId}/context/{eventId}`). Errors: M_FORBIDDEN for the room, M_NOT_FOUND for the event.
 */
export async function context(app: App, request: ContextRequest): Promise<string> {
  const { viewer, roomId, filter } = request
  const { userId } = viewer
  const readable = await readableRoom(app, userId, roomId)
  const { room, event } = await visibleEvent(app, userId, roomId, request.eventId)
  const side = (dir: 'b' | 'f', limit: number) => {
    const start = pastRow(dir, event)
    const read = historyOf(app, room.room, dir)
    return limit === 0 ? { rows: [], next: start } : scan(app, { userId, roomId, dir, start, limit, filter, read })
  }
  const before = await side('b', Math.ceil(request.limit / 2))
  const after = await side('f', Math.floor(request.limit / 2))
  const last = after.rows.at(-1) ?? event
  const timeline = [...before.rows, event, ...after.rows]
  const state = readable.stateShown ? await stateThere(app, request, last, timeline) : []
  const texts = await clientEvents(app, viewer, [...timeline, ...state], () => ({ roomId, version: room.version }))
  const middle = before.rows.length
  const list = (from: number, to?: number) => `[${texts.slice(from, to).join(',')}]`
  return `{${[
    `"start":${JSON.stringify(placeToken(before.next ?? pastRow('b', before.rows.at(-1) ?? event)))}`,
    `"end":${JSON.stringify(placeToken(after.next ?? pastRow('f', last)))}`,
    `"events_before":${list(0, middle)}`,
    `"event":${texts[middle]}`,
    `"events_after":${list(middle + 1, timeline.length)}`,
    `"state":${list(timeline.length)}`,
  ].join(',')}}`
}

async function stateThere(app: App, request: ContextRequest, last: EventRow, timeline: readonly EventRow[]) {
  const { filter, roomId } = request
  const members = filter.lazyLoadMembers ? sendersOf(timeline) : undefined
  const state = await stateAfter(app, last, { members, others: true })
  return state.filter((row) =>
    eventFilterMatches(filter, { type: row.type, sender: row.sender, roomId, content: row.content }),
  )
}
