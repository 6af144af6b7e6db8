import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import type { EventId } from '../../src/core/ids.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { type StateMap, stateMapKey } from '../../src/core/state/map.ts'
import {
  type ConflictRequest,
  type Resolving,
  resolveState,
  runResolution,
  type StateEvent,
  type StateRequest,
  settled,
  splitFor,
  withAgreed,
} from '../../src/core/state/resolve.ts'
import {
  createStateResolver,
  type StateResolver,
  type StateResolverOptions,
  type ThreadAnswer,
} from '../../src/live/state-resolver.ts'
import { systemTimers, type Timers } from '../../src/live/time.ts'
import type { StateRow } from '../../src/store/pdus.ts'
import { randomRoom } from '../core/state/random-dag.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'dist', 'state-resolver-main.cjs')
const log = pino({ level: 'silent' })

let resolver: StateResolver | undefined
afterEach(() => resolver?.close())

const start = (options: Partial<StateResolverOptions> = {}) => {
  resolver = createStateResolver({ script: SCRIPT, timers: systemTimers, log, ...options })
  return resolver
}

describe('the thread that resolves large conflicts', () => {
  test.each(['1', '6', '12'])('chooses what the loop would choose, in random rooms of version %s', async (id) => {
    const version = roomVersion(id)!
    const thread = start()
    let conflicts = 0
    for (const seed of [1, 2]) {
      const room = randomRoom({ version, extraMerges: 3 }, seed, 60)
      for (const states of room.merges) {
        const here = runResolution(resolveState(version, states), (ids) => known(room.events, ids))
        const { unconflicted, parts } = splitOf(id, states)
        if (parts.length === 0) continue
        conflicts++
        const chosen = await thread.resolve(id, parts, answering(room.events, unconflicted))
        expect(sorted(settled(unconflicted, chosen!))).toEqual(sorted(here))
      }
    }
    expect(conflicts).toBeGreaterThan(5)
  })

  test('is asked for one conflict after the other, and for no more events at once than one turn may read', async () => {
    const { events, states } = conflictedMembers(300)
    const { unconflicted, parts } = splitOf('12', states)
    const thread = start()
    const asked: number[] = []
    const answer = answering(events, unconflicted)
    const all = await Promise.all(
      [1, 2].map(() =>
        thread.resolve('12', parts, async (request) => {
          if (request.ask !== 'reached') asked.push(request.ask === 'events' ? request.ids.length : request.keys.length)
          return answer(request)
        }),
      ),
    )
    expect(Math.max(...asked)).toBe(200)
    for (const chosen of all) expect(chosen?.get(stateMapKey('m.room.member', '@user7:a'))).toBe('$ban@user7:a')
  })

  test('refuses a conflict that takes too much memory or time, and goes on with the next', async () => {
    const { events, states } = conflictedMembers(4_000)
    const { unconflicted, parts } = splitOf('12', states)
    const answer = answering(events, unconflicted)
    const small = start({ limits: { heapMb: 8 } })
    await expect(small.resolve('12', parts, answer)).rejects.toThrow(/takes more memory/)
    const few = splitOf('12', conflictedMembers(10).states)
    expect(await small.resolve('12', few.parts, answering(events, few.unconflicted))).toBeDefined()
    await small.close()

    const ringing: (() => void)[] = []
    const after: Timers['after'] = (_ms, ring) => {
      ringing.push(ring)
      return () => undefined
    }
    const slow = start({ timers: { ...systemTimers, after } })
    const over = slow.resolve('12', parts, () => {
      for (const ring of ringing.splice(0)) ring()
      return new Promise(() => undefined)
    })
    await expect(over).rejects.toThrow(/takes more time/)
    expect(await slow.resolve('12', few.parts, answering(events, few.unconflicted))).toBeDefined()
    // Nobody needs it for a while: the next has a new one.
    for (const ring of ringing.splice(0)) ring()
    expect(await slow.resolve('12', few.parts, answering(events, few.unconflicted))).toBeDefined()
  })

  test('leaves the conflict to who asks, where it cannot start, and hands on what cannot be read', async () => {
    const { events, states } = conflictedMembers(10)
    const { unconflicted, parts } = splitOf('12', states)
    const answer = answering(events, unconflicted)
    expect(await start({ script: undefined }).resolve('12', parts, answer)).toBeUndefined()
    expect(await start({ script: `${SCRIPT}.absent` }).resolve('12', parts, answer)).toBeUndefined()
    const thread = start()
    await expect(thread.resolve('12', parts, () => Promise.reject(new Error('no database')))).rejects.toThrow(
      'no database',
    )
    expect(await thread.resolve('12', parts, answer)).toBeDefined()
    await thread.close()
    expect(await thread.resolve('12', parts, answer)).toBeUndefined()
  })
})

function splitOf(id: string, states: readonly StateMap[]) {
  const splitting = splitFor(roomVersion(id)!, states)
  let split = splitting.next()
  while (split.done !== true) split = splitting.next()
  return split.value
}

function answering(events: ReadonlyMap<EventId, StateEvent>, unconflicted: StateMap) {
  return async (part: ConflictRequest): Promise<ThreadAnswer> => {
    const request = withAgreed(part, unconflicted)
    if (request.ask === 'events')
      return { rows: [...known(events, request.ids).values()].map((event) => rowOf(event!)), reached: [] }
    return { rows: [], reached: runResolution(ask(request), (ids) => known(events, ids)) }
  }
}

function* ask(request: StateRequest): Resolving<EventId[], StateRequest> {
  return [...(yield request).keys()]
}

function known(events: ReadonlyMap<EventId, StateEvent>, ids: readonly EventId[]) {
  return new Map(ids.flatMap((id) => (events.has(id) ? [[id, events.get(id)] as const] : [])))
}

function rowOf(event: StateEvent): StateRow {
  return {
    event: 1,
    event_id: event.eventId,
    room_id: event.roomId,
    type: event.type,
    state_key: event.stateKey,
    sender: event.sender,
    content: JSON.stringify(event.content),
    envelope: JSON.stringify({ prev_events: event.prevEvents, auth_events: event.authEvents }),
    origin_server_ts: event.originServerTs,
    depth: event.depth,
    rejected: event.rejected === true ? 1 : 0,
  }
}

function sorted(state: StateMap): (readonly [string, EventId])[] {
  return [...state].sort()
}

const CREATOR = '@creator:a'

/** All of them joined in one state, and are banned in the other. */
function conflictedMembers(count: number) {
  const start = [
    stateEvent('$room', CREATOR, 'm.room.create', '', {}, []),
    stateEvent('$creator', CREATOR, 'm.room.member', CREATOR, { membership: 'join' }, []),
    stateEvent('$levels', CREATOR, 'm.room.power_levels', '', { users: {} }, ['$creator']),
    stateEvent('$rules', CREATOR, 'm.room.join_rules', '', { join_rule: 'public' }, ['$creator', '$levels']),
  ]
  const users = Array.from({ length: count }, (_, index) => `@user${index}:a`)
  const member = (user: string, by: string, membership: string, auth: readonly string[]) =>
    stateEvent(`$${membership}${user}`, by, 'm.room.member', user, { membership }, ['$levels', ...auth])
  const branches = [
    users.map((user) => member(user, user, 'join', ['$rules'])),
    users.map((user) => member(user, CREATOR, 'ban', ['$creator', `$join${user}`])),
  ]
  const states = branches.map(
    (branch) =>
      new Map([...start, ...branch].map((event) => [stateMapKey(event.type, event.stateKey ?? ''), event.eventId])),
  )
  return { states, events: new Map([...start, ...branches.flat()].map((event) => [event.eventId, event])) }
}

function stateEvent(
  id: string,
  sender: string,
  type: string,
  stateKey: string,
  content: object,
  authEvents: readonly string[],
): StateEvent {
  const roomId = type === 'm.room.create' ? `!${id.slice(1)}` : '!room'
  const event = { eventId: id, roomId, type, stateKey, sender, content, originServerTs: 1, depth: 1 }
  return { ...event, prevEvents: type === 'm.room.create' ? [] : ['$before'], authEvents } as unknown as StateEvent
}
