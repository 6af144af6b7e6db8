import type { App } from '../app.ts'
import type { EventFilter } from '../core/filter.ts'
import { type EventRow, type HistoryPlace, placeAfterPosition } from '../store/events.ts'
import { wasWorldReadableAfter } from '../store/state.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { FIRST_PLACE, historyOf, scan } from './history.ts'
import { anyRoom, type ReadableRoom, readableRoom } from './readable-room.ts'
import { sendersState } from './room-state.ts'
import { placeOf, placeToken } from './tokens.ts'

export interface MessagesRequest {
  readonly viewer: Viewer
  readonly roomId: string
  readonly dir: 'b' | 'f'
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly limit: number
  readonly filter: EventFilter
  /** For administrators: whoever may see it. */
  readonly everything?: boolean
}

/**
 * A page of a room's history, as JSON text (`GET /rooms/{roomId}/messages`). With lazily loaded members `state` has
 * those who sent what is shown. `exhausted`: there was less than asked for. Errors: M_FORBIDDEN, M_INVALID_PARAM; of
 * everything, M_NOT_FOUND.
 */
export async function messages(
  app: App,
  request: MessagesRequest,
): Promise<{ readonly json: string; readonly exhausted: boolean }> {
  const { viewer, roomId, dir, limit, filter, everything = false } = request
  const room = everything ? await anyRoom(app, roomId) : await readableRoom(app, viewer.userId, roomId)
  const userId = everything ? undefined : viewer.userId
  const start =
    request.from === undefined ? await firstPlace(app, room, dir) : await placeOf(app, room.room, request.from)
  const stop = request.to === undefined ? undefined : await placeOf(app, room.room, request.to)
  const read = historyOf(app, room.room, dir)
  const { rows, next } = await scan(app, { userId, roomId, dir, start, stop, limit, filter, read })
  const newest = dir === 'b' ? rows[0] : rows.at(-1)
  const state = filter.lazyLoadMembers ? await sendersState(app, newest, sendersOf(rows)) : undefined
  const texts = await clientEvents(app, viewer, [...rows, ...(state ?? [])], () => ({ roomId, version: room.version }))
  const parts = [`"start":${JSON.stringify(request.from ?? placeToken(start))}`]
  if (next !== undefined) parts.push(`"end":${JSON.stringify(placeToken(next))}`)
  parts.push(`"chunk":[${texts.slice(0, rows.length).join(',')}]`)
  if (state !== undefined) parts.push(`"state":[${texts.slice(rows.length).join(',')}]`)
  return { json: `{${parts.join(',')}}`, exhausted: rows.length < limit }
}

export function sendersOf(rows: readonly EventRow[]): string[] {
  return [...new Set(rows.map((row) => row.sender))]
}

/** Forwards from the beginning, backwards from the end of what the user may see: a former member skips what is not. */
async function firstPlace(app: App, room: ReadableRoom, dir: 'b' | 'f'): Promise<HistoryPlace> {
  if (dir === 'f') return FIRST_PLACE
  const { until } = room
  const skips = until !== undefined && !(await wasWorldReadableAfter(app.db, room.room, until))
  return placeAfterPosition(app.db, room.room, skips ? until : app.db.safePosition())
}
