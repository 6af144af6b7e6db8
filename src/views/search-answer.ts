import type { App } from '../app.ts'
import { parseEventFilter } from '../core/filter.ts'
import { isObject, own, parseJson } from '../core/json.ts'
import type { EventRow } from '../store/events.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { historyOf, pastRow, scan } from './history.ts'
import { sendersOf } from './messages.ts'
import { sendersState, stateFor } from './room-state.ts'
import type { Hit, SearchPage } from './search.ts'
import { placeToken } from './tokens.ts'

export interface SearchShown {
  readonly viewer: Viewer
  /** Events around each hit; undefined: none asked for. */
  readonly around: { readonly before: number; readonly after: number; readonly profiles: boolean } | undefined
  /** With the state of the rooms. */
  readonly state: boolean
}

/** The answer of `POST /search` as JSON text. */
export async function searchAnswer(app: App, page: SearchPage, shown: SearchShown): Promise<string> {
  const results: string[] = []
  for (const hit of page.hits) results.push(await resultOf(app, hit, shown))
  const parts = [
    `"count":${page.count}`,
    `"highlights":${JSON.stringify(page.highlights)}`,
    `"results":[${results.join(',')}]`,
    `"groups":${JSON.stringify(groupsOf(page))}`,
  ]
  if (page.next !== undefined) parts.push(`"next_batch":${JSON.stringify(page.next)}`)
  if (shown.state) parts.push(`"state":{${await statesOf(app, page, shown.viewer)}}`)
  return `{"search_categories":{"room_events":{${parts.join(',')}}}}`
}

function groupsOf({ groups }: SearchPage) {
  return Object.fromEntries(
    [...groups].map(([key, values]) => {
      const entries = [...values].map(([value, { hits, next }], order) => {
        const results = hits.map(({ row }) => row.event_id)
        return [value, { order, results, ...(next !== undefined && { next_batch: next }) }]
      })
      return [key, Object.fromEntries(entries)]
    }),
  )
}

async function resultOf(app: App, hit: Hit, { viewer, around }: SearchShown): Promise<string> {
  const { row, room } = hit
  const before = around === undefined ? [] : await side(app, viewer, hit, 'b', around.before)
  const after = around === undefined ? [] : await side(app, viewer, hit, 'f', around.after)
  const rows = [row, ...before, ...after]
  const texts = await clientEvents(app, viewer, rows, () => ({ roomId: room.room_id, version: room.version }))
  const parts = [`"rank":${hit.rank.toFixed(6)}`, `"result":${texts[0]}`]
  if (around !== undefined) {
    const context = [
      `"events_before":[${texts.slice(1, 1 + before.length).join(',')}]`,
      `"events_after":[${texts.slice(1 + before.length).join(',')}]`,
      `"start":${JSON.stringify(placeToken(pastRow('b', before.at(-1) ?? row)))}`,
      `"end":${JSON.stringify(placeToken(pastRow('f', after.at(-1) ?? row)))}`,
    ]
    if (around.profiles)
      context.push(`"profile_info":${JSON.stringify(await profilesOf(app, rows, after.at(-1) ?? row))}`)
    parts.push(`"context":{${context.join(',')}}`)
  }
  return `{${parts.join(',')}}`
}

const ALL = parseEventFilter(undefined)

/** What the user may see on one side of the hit, the nearest first. */
async function side(
  app: App,
  { userId }: Viewer,
  hit: Hit,
  dir: 'b' | 'f',
  limit: number,
): Promise<readonly EventRow[]> {
  if (limit === 0) return []
  const { row, room } = hit
  const read = historyOf(app, row.room, dir)
  const wanted = { userId, roomId: room.room_id, dir, start: pastRow(dir, row), limit, filter: ALL, read }
  return (await scan(app, wanted)).rows
}

/** What the senders were called then. */
async function profilesOf(app: App, rows: readonly EventRow[], newest: EventRow) {
  const members = await sendersState(app, newest, sendersOf(rows))
  return Object.fromEntries(
    members.map((member) => {
      const content = parseJson(member.content)
      const fields = ['displayname', 'avatar_url'].flatMap((key) => {
        const value = isObject(content) ? own(content, key) : undefined
        return typeof value === 'string' ? [[key, value]] : []
      })
      return [member.state_key ?? '', Object.fromEntries(fields)]
    }),
  )
}

/** The state of each room with hits, as the user may see it today. */
async function statesOf(app: App, { hits }: SearchPage, viewer: Viewer): Promise<string> {
  const rooms = new Map(hits.map(({ room }) => [room.room_id, room]))
  const parts: string[] = []
  for (const [roomId, { version }] of rooms) {
    const { events } = await stateFor(app, viewer.userId, roomId)
    const texts = await clientEvents(app, viewer, events, () => ({ roomId, version }))
    parts.push(`${JSON.stringify(roomId)}:[${texts.join(',')}]`)
  }
  return parts.join(',')
}
