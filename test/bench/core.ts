import { authorise } from '../../src/core/auth/authorise.ts'
import { buildEvent, type EventDraft, parseEvent } from '../../src/core/event.ts'
import { globMatches } from '../../src/core/glob.ts'
import { contentHashHolds } from '../../src/core/hash.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { canonicalJson, type JsonObject, parseJson } from '../../src/core/json.ts'
import { signingKeyFromSeed } from '../../src/core/keys.ts'
import { pushEvent } from '../../src/core/push-conditions.ts'
import { evaluatePushRules, rulesetFrom } from '../../src/core/push-rules.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { type StateMap, stateMapKey } from '../../src/core/state/map.ts'
import { resolveState, runResolution, type StateEvent } from '../../src/core/state/resolve.ts'

const VERSION = roomVersion('12')!
const SERVER = 'example.org' as ServerName
const KEY = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(3))
const WARM_UP_MS = 300
const RUNS_MAX = 2_000
const RUNS_MIN = 5
const MEASURE_MS = 1_000

/** What the core takes for its usual work: the median of many runs, beside the goal. */
export function coreFigures(report: (scenario: string, figures: object) => void): void {
  const us = (scenario: string, goalUs: number, run: () => unknown) =>
    report(`core: ${scenario}`, { us: rounded(medianMs(run) * 1_000), goal_us: goalUs })
  const ms = (scenario: string, goalMs: number, run: () => unknown) =>
    report(`core: ${scenario}`, { ms: rounded(medianMs(run)), goal_ms: goalMs })

  us('build, hash and sign 1 KB', 100, () => buildEvent(VERSION, DRAFT, SERVER, KEY))
  const received = new TextEncoder().encode(JSON.stringify(shuffled(buildEvent(VERSION, DRAFT, SERVER, KEY).pdu)))
  us('parse, hash and check a PDU of 1 KB', 50, () => receive(received))
  const pdu = parseJson(received)
  report('core: canonical JSON of a PDU', {
    times_stringify: rounded(
      medianMs(repeated(() => canonicalJson(pdu))) / medianMs(repeated(() => JSON.stringify(pdu))),
    ),
    goal: 1.2,
  })
  const fork = forkOf(30, 30)
  ms('30 ways with 30 conflicted keys', 50, () => resolve(fork))
  const members = conflictedMembers(10_000)
  ms('10,000 conflicted memberships', 2_000, () => resolve(members))
  ms('push rules of one event for 1,000 users', 5, pushForThousand())
  const [pattern, text] = [`*${'a'.repeat(253)}b`, 'a'.repeat(65_000)]
  ms('glob of 255 bytes on 65 KB', 5, () => globMatches(pattern, text))
}

const DRAFT: EventDraft = {
  roomId: `!${'A'.repeat(43)}` as RoomId,
  type: 'm.room.message',
  stateKey: null,
  sender: '@alice:example.org' as UserId,
  content: { msgtype: 'm.text', body: 'What people write on an ordinary day. '.repeat(12), 'm.mentions': {} },
  originServerTs: 1_700_000_000_000,
  depth: 7,
  prevEvents: [`$${'B'.repeat(43)}` as EventId],
  authEvents: ['C', 'D', 'E'].map((letter) => `$${letter.repeat(43)}` as EventId),
}

/** Every step of a received PDU but the signature: bytes, format, id, content hash, rules. */
function receive(bytes: Uint8Array): void {
  const event = parseEvent(VERSION, parseJson(bytes) as JsonObject)
  if (!contentHashHolds(event.pdu)) throw new Error('the hash does not hold')
  const verdict = authorise(VERSION, event, (type) => STATE_OF_MESSAGE.get(type))
  if (!verdict.allowed) throw new Error(verdict.reason)
}

const STATE_OF_MESSAGE = new Map([
  ['m.room.create', stateEvent(`$${'A'.repeat(43)}`, '@admin:example.org', 'm.room.create', '', {}, [])],
  ['m.room.member', stateEvent('$member', DRAFT.sender, 'm.room.member', DRAFT.sender, { membership: 'join' }, [])],
  ['m.room.power_levels', stateEvent('$levels', '@admin:example.org', 'm.room.power_levels', '', { users: {} }, [])],
])

/** The keys as a server sends them that does not sort them. */
function shuffled(pdu: JsonObject): JsonObject {
  const keys = Object.keys(pdu).sort((a, b) => (a.at(-1)! < b.at(-1)! ? -1 : 1))
  return Object.fromEntries(keys.map((key) => [key, pdu[key]!]))
}

interface Fork {
  readonly events: ReadonlyMap<EventId, StateEvent>
  readonly states: readonly StateMap[]
}

const CREATOR = '@creator:example.org'
const START = [
  stateEvent('$room', CREATOR, 'm.room.create', '', {}, []),
  stateEvent('$creator', CREATOR, 'm.room.member', CREATOR, { membership: 'join' }, []),
  stateEvent('$levels', CREATOR, 'm.room.power_levels', '', { users: {} }, ['$creator']),
  stateEvent('$rules', CREATOR, 'm.room.join_rules', '', { join_rule: 'public' }, ['$creator', '$levels']),
]

function forkOf(ways: number, keys: number): Fork {
  const branches = Array.from({ length: ways }, (_, way) =>
    Array.from({ length: keys }, (_key, key) =>
      stateEvent(`$${way}-${key}`, CREATOR, 'org.example', `${key}`, {}, ['$creator', '$levels']),
    ),
  )
  return forkBetween(branches)
}

function conflictedMembers(count: number): Fork {
  const users = Array.from({ length: count }, (_, index) => `@user${index}:example.org`)
  const member = (user: string, by: string, membership: string, auth: readonly string[]) =>
    stateEvent(`$${membership}${user}`, by, 'm.room.member', user, { membership }, ['$levels', ...auth])
  return forkBetween([
    users.map((user) => member(user, user, 'join', ['$rules'])),
    users.map((user) => member(user, CREATOR, 'ban', ['$creator'])),
  ])
}

function forkBetween(branches: readonly (readonly StateEvent[])[]): Fork {
  const states = branches.map((branch) => {
    return new Map([...START, ...branch].map((event) => [stateMapKey(event.type, event.stateKey ?? ''), event.eventId]))
  })
  return { states, events: new Map([...START, ...branches.flat()].map((event) => [event.eventId, event])) }
}

function resolve({ events, states }: Fork): void {
  const resolved = runResolution(resolveState(VERSION, states), (ids) => {
    return new Map(ids.flatMap((id) => (events.has(id) ? [[id, events.get(id)!] as const] : [])))
  })
  if (resolved.size !== states[0]!.size) throw new Error('the resolution lost something')
}

function stateEvent(
  id: string,
  sender: string,
  type: string,
  stateKey: string,
  content: JsonObject,
  authEvents: readonly string[],
): StateEvent {
  const roomId = type === 'm.room.create' ? `!${id.slice(1)}` : '!room'
  const event = { eventId: id, roomId, type, stateKey, sender, content, originServerTs: 1, depth: 1 }
  return { ...event, prevEvents: type === 'm.room.create' ? [] : ['$before'], authEvents } as unknown as StateEvent
}

function pushForThousand(): () => void {
  const users = Array.from({ length: 1_000 }, (_, index) => `@user${index}:example.org`)
  const rules = users.map((userId) => ({ userId, ruleset: rulesetFrom(userId, undefined) }))
  const source = { ...DRAFT, eventId: '$event', roomId: '!room:example.org' }
  return () => {
    const event = pushEvent(source)
    for (const { userId, ruleset } of rules) {
      const context = { userId, displayName: 'Some Body', memberCount: 1_000, senderMayNotify: () => false }
      evaluatePushRules(ruleset, event, context)
    }
  }
}

/** So short a run that the clock would weigh in. */
function repeated(run: () => unknown): () => void {
  return () => {
    for (let time = 0; time < 100; time++) run()
  }
}

function medianMs(run: () => unknown): number {
  const warm = performance.now() + WARM_UP_MS
  while (performance.now() < warm) run()
  const times: number[] = []
  const until = performance.now() + MEASURE_MS
  while (times.length < RUNS_MIN || (performance.now() < until && times.length < RUNS_MAX)) {
    const before = performance.now()
    run()
    times.push(performance.now() - before)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
