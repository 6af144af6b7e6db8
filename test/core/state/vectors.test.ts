import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { AuthEvent, EventId } from '../../../src/core/event.ts'
import { roomVersion } from '../../../src/core/room-version.ts'
import { type StateMap, stateMapKey } from '../../../src/core/state/map.ts'
import { resolveState, runResolution } from '../../../src/core/state/resolve.ts'

/** The answers that another implementation publishes for its own tests; the folder is not part of this repository. */
const FOLDER = process.env.MATRIX_VECTORS
const CASES_COUNT = 13

interface Pdu {
  readonly event_id: string
  readonly room_id?: string
  readonly sender: string
  readonly type: string
  readonly state_key?: string
  readonly content: AuthEvent['content']
  readonly origin_server_ts: number
  readonly prev_events: readonly string[]
  readonly auth_events: readonly string[]
}

interface Case {
  readonly name: string
  readonly room_version: string
  readonly pdus: readonly Pdu[]
  readonly state_sets: readonly (readonly string[])[] | null
  readonly resolved: readonly { readonly type: string; readonly state_key: string; readonly event_id: string }[]
}

if (FOLDER === undefined) console.log('SKIPPED: state resolution vectors, because MATRIX_VECTORS is not set')
const cases = FOLDER === undefined ? [] : readCases(FOLDER)

describe.skipIf(FOLDER === undefined)('known answers of state resolution from elsewhere', () => {
  it('has all of the cases', () => {
    expect(cases).toHaveLength(CASES_COUNT)
  })

  it.each(cases.map((each) => [each.name, each] as const))('%s, all at once', (_, each) => {
    const { resolve, sets } = prepared(each)
    expect(entriesOf(resolve(sets))).toEqual(answerOf(each))
    expect(entriesOf(resolve([...sets].reverse()))).toEqual(answerOf(each))
  })

  const grown = cases.filter((each) => each.state_sets === null)
  it.each(grown.map((each) => [each.name, each] as const))('%s, event by event', (_, each) => {
    const { events, resolve } = prepared(each)
    const { ends, after } = statesAfter(events, resolve)
    expect(entriesOf(resolve(ends.map((id) => after.get(id) ?? new Map())))).toEqual(answerOf(each))
  })
})

function readCases(folder: string): readonly Case[] {
  return JSON.parse(readFileSync(join(folder, 'state-resolution.json'), 'utf8')) as readonly Case[]
}

interface Prepared {
  readonly events: ReadonlyMap<EventId, AuthEvent>
  readonly sets: readonly StateMap[]
  resolve(sets: readonly StateMap[]): StateMap
}

function prepared(each: Case): Prepared {
  const version = roomVersion(each.room_version)
  if (version === undefined) throw new Error(`no such room version: ${each.room_version}`)
  const create = each.pdus.find((pdu) => pdu.type === 'm.room.create')
  const roomId = version.roomIdIsCreateHash ? `!${create?.event_id.slice(1)}` : create?.room_id
  const events = new Map(each.pdus.map((pdu) => [pdu.event_id as EventId, eventOf(pdu, roomId as string)]))
  const resolve = (sets: readonly StateMap[]) =>
    runResolution(resolveState(version, sets), (ids) => {
      return new Map(ids.flatMap((id) => (events.has(id) ? [[id, events.get(id) as AuthEvent] as const] : [])))
    })
  const named = each.state_sets?.map((ids) => new Map(ids.map((id) => entryOf(events, id as EventId))))
  return { events, resolve, sets: named ?? statesOfWays(events) }
}

function eventOf(pdu: Pdu, roomId: string): AuthEvent {
  return {
    eventId: pdu.event_id,
    roomId,
    type: pdu.type,
    stateKey: pdu.state_key ?? null,
    sender: pdu.sender,
    content: pdu.content,
    originServerTs: pdu.origin_server_ts,
    depth: 0,
    prevEvents: pdu.prev_events,
    authEvents: pdu.auth_events,
  } as AuthEvent
}

function entryOf(events: ReadonlyMap<EventId, AuthEvent>, id: EventId): [string, EventId] {
  const event = events.get(id)
  if (event === undefined || event.stateKey === null) throw new Error(`no state event: ${id}`)
  return [stateMapKey(event.type, event.stateKey), id]
}

/** The states at the forward ends, each event after those that it follows. */
function statesAfter(
  events: ReadonlyMap<EventId, AuthEvent>,
  resolve: (sets: readonly StateMap[]) => StateMap,
): { readonly ends: readonly EventId[]; readonly after: ReadonlyMap<EventId, StateMap> } {
  const after = new Map<EventId, StateMap>()
  const waiting = new Set(events.values())
  while (waiting.size > 0) {
    const ready = [...waiting].filter((event) => event.prevEvents.every((id) => after.has(id)))
    if (ready.length === 0) throw new Error('the events form no graph without cycles')
    for (const event of ready) {
      waiting.delete(event)
      const before = resolve(event.prevEvents.map((id) => after.get(id) ?? new Map()))
      after.set(event.eventId, withEvent(before, event))
    }
  }
  const followed = new Set([...events.values()].flatMap((event) => event.prevEvents))
  return { ends: [...events.keys()].filter((id) => !followed.has(id)), after }
}

/** One state for each forward end, with the last event of every key on the way to it: nothing resolved before. */
function statesOfWays(events: ReadonlyMap<EventId, AuthEvent>): readonly StateMap[] {
  const { ends, after } = statesAfter(events, (sets) => new Map(sets.flatMap((set) => [...set])))
  return ends.map((id) => after.get(id) ?? new Map())
}

function withEvent(before: StateMap, event: AuthEvent): StateMap {
  if (event.stateKey === null) return before
  return new Map([...before, [stateMapKey(event.type, event.stateKey), event.eventId]])
}

function answerOf(each: Case): readonly (readonly [string, string])[] {
  return each.resolved.map((entry) => [stateMapKey(entry.type, entry.state_key), entry.event_id] as const).sort()
}

function entriesOf(state: StateMap): readonly (readonly [string, string])[] {
  return [...state].sort()
}
