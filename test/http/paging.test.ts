import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { eachEngine, type TestDatabase } from '../helpers/databases.ts'
import { type Account, startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, inRoom, type Json, type Session, sessionOf } from '../helpers/session.ts'

/** Random rooms an engine, always the same ones. */
const RUNS = 12
const SEED = 20_261_126

const visibility = fc.constantFrom('world_readable', 'shared', 'invited', 'joined')
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('say' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('topic' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('visibility' as const), value: visibility }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('bob' as const), to: fc.constantFrom('join', 'leave', 'invite', 'ban') }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 })
interface Filter {
  readonly types?: readonly string[]
  readonly not_types?: readonly string[]
}

const filters = fc.constantFrom<Filter[]>(
  {},
  { types: ['m.room.message'] },
  { not_types: ['m.room.topic', 'm.room.create'] },
)

/** What decides, by the words of the specification, whether Bob sees an event. */
interface Happened {
  readonly eventId: string
  readonly type: string
  readonly settings: readonly string[]
  readonly bob: string
  readonly isBobs: boolean
  readonly joins: boolean
}

function visibleToBob(history: readonly Happened[]): Happened[] {
  return history.filter(({ settings, bob, isBobs }, index) => {
    const joinsLater = bob === 'join' || history.slice(index + 1).some((later) => later.joins)
    return (
      isBobs ||
      bob === 'join' ||
      settings.includes('world_readable') ||
      (settings.includes('shared') && joinsLater) ||
      (settings.includes('invited') && bob === 'invite')
    )
  })
}

function passes({ types, not_types: not }: Filter, { type }: Happened): boolean {
  return types?.includes(type) !== false && not?.includes(type) !== true
}

/** What Bob has to be for the change to be possible; what is not possible is left out. */
const BOB_FROM: Readonly<Record<string, readonly string[]>> = {
  join: ['none', 'invite', 'leave'],
  invite: ['none', 'leave'],
  leave: ['join', 'invite', 'ban'],
  ban: ['none', 'invite', 'join', 'leave'],
}

interface People {
  readonly alice: Session
  readonly bob: Session
}

interface Room {
  readonly roomId: string
  /** Oldest first. */
  readonly history: readonly Happened[]
  take(step: Step): Promise<void>
}

/** A room of Alice's that remembers what happened in it. */
async function newRoom(people: () => People): Promise<Room> {
  const history: Happened[] = []
  let [setting, bob] = ['shared', 'none']
  const note = (eventId: string, type: string, change: { setting?: string; bob?: string } = {}) => {
    const settings = change.setting === undefined ? [setting] : [setting, change.setting]
    history.push({ eventId, type, settings, bob, isBobs: change.bob !== undefined, joins: change.bob === 'join' })
    setting = change.setting ?? setting
    bob = change.bob ?? bob
  }
  const roomId = await people().alice.createRoom({ preset: 'public_chat' })
  const { chunk } = await people().alice.get(`${inRoom(roomId)}/messages?dir=f&limit=50`)
  for (const event of chunk as Json[]) note(event.event_id, event.type)
  const setState = async (by: keyof People, type: string, content: object, stateKey = '') =>
    people()[by].setState(roomId, type, content, stateKey)
  return {
    roomId,
    history,
    async take(step) {
      if (step.kind === 'say') note(await people().alice.send(roomId, 'x'), 'm.room.message')
      if (step.kind === 'topic')
        note(await setState('alice', 'm.room.topic', { topic: `${history.length}` }), 'm.room.topic')
      if (step.kind === 'visibility' && step.value !== setting) {
        const type = 'm.room.history_visibility'
        note(await setState('alice', type, { history_visibility: step.value }), type, { setting: step.value })
      }
      if (step.kind === 'bob' && BOB_FROM[step.to]?.includes(bob)) {
        const by = bob === 'ban' || step.to === 'invite' || step.to === 'ban' ? 'alice' : 'bob'
        const type = 'm.room.member'
        note(await setState(by, type, { membership: step.to }, people().bob.userId), type, { bob: step.to })
      }
    },
  }
}

eachEngine((engine, fresh) => {
  let server: TestServer | undefined
  afterEach(async () => {
    await server?.stop()
    server = undefined
  })

  /** A server that can be started again on the same data, and two people on it. */
  async function open() {
    const { options, dir }: TestDatabase = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    server = await startTestServer({}, uri)
    const accounts: Account[] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const people = () => {
      const [alice, bob] = accounts.map((account) => sessionOf(server!, account))
      return { alice: alice!, bob: bob! }
    }
    const restart = async () => {
      await server?.stop()
      server = await startTestServer({}, uri)
    }
    return { people, restart }
  }

  test('S45: pages are the visible history, each event once, in one order, whatever their sizes', async () => {
    const { people, restart } = await open()
    const walk = fc.record({
      steps: fc.array(step, { minLength: 5, maxLength: 25 }),
      dir: fc.constantFrom('b', 'f'),
      sizes,
      filter: filters,
      restarts: fc.boolean(),
    })
    const property = fc.asyncProperty(walk, async ({ steps, dir, sizes, filter, restarts }) => {
      const room = await newRoom(people)
      await room.take({ kind: 'bob', to: 'join' })
      for (const one of steps) await room.take(one)
      const query = `dir=${dir}&filter=${encodeURIComponent(JSON.stringify(filter))}`
      const seen: string[] = []
      let from = ''
      for (let page = 0; ; page++) {
        const path = `${inRoom(room.roomId)}/messages?${query}&limit=${sizes[page % sizes.length]}${from}`
        const { chunk, end } = await people().bob.get(path)
        seen.push(...chunk.map((event: Json) => event.event_id))
        if (end === undefined) break
        from = `&from=${end}`
        if (restarts && page === 1) await restart()
      }
      const expected = visibleToBob(room.history).filter((event) => passes(filter, event))
      if (dir === 'b') expected.reverse()
      expect(seen).toEqual(expected.map((event) => event.eventId))
    })
    await fc.assert(property, { numRuns: RUNS, seed: SEED })
  }, 180_000)

  test('syncs and the pages between them are the visible history, each event once, in one order', async () => {
    const { people, restart } = await open()
    const life = fc.record({
      before: fc.array(step, { maxLength: 6 }),
      bursts: fc.array(
        fc.record({
          steps: fc.array(step, { maxLength: 9 }),
          limit: fc.integer({ min: 1, max: 6 }),
          restarts: fc.boolean(),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      sizes,
      filter: filters,
    })
    const property = fc.asyncProperty(life, async ({ before, bursts, sizes, filter }) => {
      const room = await newRoom(people)
      const stays = (one: Step) => one.kind !== 'bob'
      for (const one of before.filter(stays)) await room.take(one)
      let since = await people().bob.sync()
      await room.take({ kind: 'bob', to: 'join' })
      /** Newest first, as a client has them once its gaps are closed. */
      let known: string[] = []
      let first = true
      for (const [index, burst] of bursts.entries()) {
        for (const one of burst.steps.filter(stays)) await room.take(one)
        if (burst.restarts && index === 1) await restart()
        const options = { filter: { room: { timeline: { ...filter, limit: burst.limit } } } }
        const next = await people().bob.sync(since, options)
        const timeline = next.rooms?.join?.[room.roomId]?.timeline
        const events: string[] = (timeline?.events ?? []).map((event: Json) => event.event_id).reverse()
        // A room that is new to the client has its past before the first timeline, whatever that says.
        const gap = timeline !== undefined && (timeline.limited || first)
        const stop = first ? '' : `&to=${since.next_batch}`
        const older = gap ? await pageBack(people().bob, room.roomId, timeline.prev_batch, stop, sizes, filter) : []
        // Who has the beginning and pages back is told of the creation once more.
        const isRepeated = (id: string) => id === room.history[0]?.eventId && events.includes(id)
        known = [...events, ...older.filter((id) => !isRepeated(id)), ...known]
        if (timeline !== undefined) first = false
        since = next
      }
      const expected = visibleToBob(room.history).filter((event) => passes(filter, event))
      // Timelines have the state of today between what they show, seen or not; messages never.
      const hidden = room.history.filter((event) => event.type !== 'm.room.message' && !expected.includes(event))
      const shown = known.filter((id) => !hidden.some(({ eventId }) => eventId === id))
      expect(shown).toEqual(expected.map((event) => event.eventId).reverse())
    })
    await fc.assert(property, { numRuns: RUNS, seed: SEED })
  }, 180_000)
})

async function pageBack(
  user: Session,
  roomId: string,
  start: string,
  stop: string,
  sizes: readonly number[],
  filter: object,
): Promise<string[]> {
  const found: string[] = []
  let from = start
  for (let page = 0; ; page++) {
    const query = `dir=b&from=${from}${stop}&limit=${sizes[page % sizes.length]}`
    const path = `${inRoom(roomId)}/messages?${query}&filter=${encodeURIComponent(JSON.stringify(filter))}`
    const { chunk, end } = await user.get(path)
    found.push(...chunk.map((event: Json) => event.event_id))
    if (end === undefined) return found
    from = end
  }
}
