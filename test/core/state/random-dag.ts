import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { authorise } from '../../../src/core/auth/authorise.ts'
import { authStateKeys } from '../../../src/core/auth/select.ts'
import type { AuthEvent, EventId } from '../../../src/core/event.ts'
import type { RoomId, UserId } from '../../../src/core/ids.ts'
import type { RoomVersion } from '../../../src/core/room-version.ts'
import { type Dice, diceOf } from './dice.ts'
import { type NaiveEvent, type NaiveState, naiveKey, naiveResolver } from './naive-resolver.ts'
import { CREATOR, type Draft, firstDrafts, type RoomView, randomDraft } from './random-actions.ts'

/** A room as a server that took part in all of it would know it. */
export interface RandomRoom {
  readonly version: RoomVersion
  /** In the order in which they were made, which is a topological order. */
  readonly events: ReadonlyMap<EventId, NaiveEvent>
  /** The state after each event. */
  readonly stateAfter: ReadonlyMap<EventId, NaiveState>
  /** Sets of states to resolve: those of each merge, and some that no event merged. */
  readonly merges: readonly (readonly NaiveState[])[]
}

export interface RoomShape {
  readonly version: RoomVersion
  /** Sets of states drawn at random beyond those that the room merges. */
  readonly extraMerges: number
}

interface Growing {
  readonly version: RoomVersion
  readonly dice: Dice
  readonly roomId: RoomId
  readonly events: Map<EventId, NaiveEvent>
  readonly stateAfter: Map<EventId, NaiveState>
  readonly merges: (readonly NaiveState[])[]
  readonly resolve: (states: readonly NaiveState[]) => NaiveState
  heads: readonly EventId[]
}

const HEADS_MAX = 5
const ATTEMPTS_MAX = 40
const EXTRA_SETS_MAX = 4
const START_TIME = 1_700_000_000_000

/** Rooms by seed and size. A smaller size with the same seed gives the beginning of the same room, so it shrinks. */
export function randomRooms(shape: RoomShape, minEvents: number, maxEvents: number): fc.Arbitrary<RandomRoom> {
  const seeds = fc.noShrink(fc.nat(2 ** 31 - 1))
  const sizes = fc.integer({ min: minEvents, max: maxEvents })
  return fc.tuple(seeds, sizes).map(([seed, size]) => randomRoom(shape, seed, size))
}

/** The room of one seed. Each is the same on every machine and in every run. */
export function randomRoom(shape: RoomShape, seed: number, size: number): RandomRoom {
  const room = startRoom(shape.version, diceOf(seed))
  while (room.events.size < size) grow(room)
  const merges = [...room.merges]
  const states = [...room.stateAfter.values()]
  for (let made = 0; made < shape.extraMerges; made += 1) {
    merges.push(Array.from({ length: room.dice.between(2, EXTRA_SETS_MAX) }, () => room.dice.pick(states)))
  }
  const events = withRejections(room)
  return { version: shape.version, events, stateAfter: room.stateAfter, merges }
}

function startRoom(version: RoomVersion, dice: Dice): Growing {
  const events = new Map<EventId, NaiveEvent>()
  const createId = newEventId(version, dice, CREATOR, 0)
  const roomId = (version.roomIdIsCreateHash ? `!${createId.slice(1)}` : '!room:one.example') as RoomId
  const resolve = naiveResolver(version, events)
  const room: Growing = { version, dice, roomId, events, stateAfter: new Map(), merges: [], resolve, heads: [] }
  for (const draft of firstDrafts(version, dice)) {
    const state = room.heads.length === 0 ? new Map<string, EventId>() : room.stateAfter.get(room.heads[0]!)!
    const event = eventFrom(room, draft, room.heads, state, room.events.size === 0 ? createId : undefined)
    if (!isAllowed(room, event, viewOf(room, state))) throw new Error(`the room cannot begin with ${event.type}`)
    add(room, event, state)
  }
  return room
}

function grow(room: Growing): void {
  const previous = choosePrevious(room)
  const states = previous.map((id) => room.stateAfter.get(id)!)
  let state = states[0]!
  if (states.length > 1) {
    room.merges.push(states)
    state = room.resolve(states)
  }
  const view = viewOf(room, state)
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const draft = randomDraft(room.version, room.dice, view)
    // Only the attempt that is allowed gets its id and auth events, which cost more than all the rest.
    if (!isAllowed(room, { ...bareEvent(room, previous), ...draft }, view)) continue
    add(room, eventFrom(room, draft, previous, state), state)
    return
  }
  // Nobody can do what the dice wanted: a message, which changes no state, keeps the graph growing.
  const message: Draft = { type: 'm.room.message', stateKey: null, sender: CREATOR, content: {} }
  add(room, eventFrom(room, message, previous, state), state)
}

/** Goes on from one head, forks from an earlier event, or merges several heads. */
function choosePrevious(room: Growing): readonly EventId[] {
  const { dice, heads } = room
  const wish = dice.below(100)
  if (heads.length > 1 && (wish < 25 || heads.length >= HEADS_MAX)) {
    return dice.shuffle(heads).slice(0, dice.between(2, heads.length))
  }
  const recent = [...room.events.keys()].slice(-12)
  if (wish < 55) return [dice.pick(recent)]
  return [dice.pick(heads)]
}

function viewOf(room: Growing, state: NaiveState): RoomView {
  return (type, stateKey) => {
    const id = state.get(naiveKey(type, stateKey))
    return id === undefined ? undefined : room.events.get(id)
  }
}

function eventFrom(
  room: Growing,
  draft: Draft,
  previous: readonly EventId[],
  state: NaiveState,
  eventId: EventId = newEventId(room.version, room.dice, draft.sender, room.events.size),
): NaiveEvent {
  const depth = Math.max(0, ...previous.map((id) => room.events.get(id)!.depth)) + 1
  const authEvents =
    draft.type === 'm.room.create'
      ? []
      : authStateKeys(room.version, draft)
          .map(([type, stateKey]) => state.get(naiveKey(type, stateKey)))
          .filter((id) => id !== undefined)
  return {
    ...draft,
    eventId,
    roomId: room.roomId,
    // Clocks differ between servers, and equal times are common enough to need the tie-break.
    originServerTs: START_TIME + depth * 3 + room.dice.below(25),
    depth,
    prevEvents: previous,
    authEvents: room.dice.shuffle([...new Set(authEvents)]),
  }
}

/** Of no meaning, like the real ones. The count of the events before it keeps it apart from them. */
function newEventId(version: RoomVersion, dice: Dice, sender: UserId, eventsBefore: number): EventId {
  const opaque = createHash('sha256')
    .update(`${eventsBefore} ${dice.below(2 ** 32)}`)
    .digest('base64url')
  if (version.eventIdFormat !== 'server') return `$${opaque}` as EventId
  return `$${opaque.slice(0, 12)}:${sender.slice(sender.indexOf(':') + 1)}` as EventId
}

function bareEvent(room: Growing, prevEvents: readonly EventId[]): Omit<AuthEvent, keyof Draft> {
  const eventId = '$attempt' as EventId
  return { eventId, roomId: room.roomId, originServerTs: START_TIME, depth: 1, prevEvents, authEvents: [] }
}

function isAllowed(room: Growing, event: AuthEvent, view: RoomView): boolean {
  return authorise(room.version, event, view).allowed
}

function add(room: Growing, event: NaiveEvent, before: NaiveState): void {
  room.events.set(event.eventId, event)
  const after = new Map(before)
  if (event.stateKey !== null) after.set(naiveKey(event.type, event.stateKey), event.eventId)
  room.stateAfter.set(event.eventId, after)
  room.heads = [...room.heads.filter((id) => !event.prevEvents.includes(id)), event.eventId]
}

/** Some rooms are seen by a server that holds a few events for rejected: those do not serve as auth events. */
function withRejections(room: Growing): ReadonlyMap<EventId, NaiveEvent> {
  if (room.dice.below(3) > 0) return room.events
  return new Map(
    [...room.events].map(([id, event]) => {
      const rejected = event.type !== 'm.room.create' && room.dice.below(15) === 0
      return [id, rejected ? { ...event, rejected } : event]
    }),
  )
}
