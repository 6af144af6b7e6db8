import { request } from 'node:http'
import { join } from '../../src/actions/memberships/join.ts'
import { createRoom } from '../../src/actions/rooms/create-room.ts'
import type { RoomId, UserId } from '../../src/core/ids.ts'
import { type Account, startTestServer, type TestServer } from '../helpers/server.ts'

type Report = (scenario: string, figures: object) => void

const ROOMS = 1_500
const MEMBERS = 10_000
const SENDS = 200
const SYNCS = 20
const INITIAL_SYNCS = 5
const AT_ONCE = 50
const V3 = '/_matrix/client/v3'

/**
 * An account with many rooms and a room with many members. The server runs in this process, which counts its queries
 * and sees how long it holds the loop; the clock of a request therefore holds the client's work too.
 */
export async function largeFigures(report: Report, database?: string): Promise<void> {
  const server = await startTestServer({}, database)
  try {
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const rooms = await inSlices(ROOMS, () =>
      createRoom(server.app, { creator: alice.userId as UserId, preset: 'public_chat', name: 'One of many' }),
    )
    const [first = '' as RoomId] = rooms
    await enter(server, first, bob.userId)
    await manyRooms(report, server, alice, bob, first)
    const large = await createRoom(server.app, { creator: bob.userId as UserId, preset: 'public_chat' })
    const small = await createRoom(server.app, { creator: bob.userId as UserId, preset: 'public_chat' })
    await enter(server, small, '@member0:test.example')
    await inSlices(MEMBERS, (index) => enter(server, large, `@member${index}:test.example`))
    await manyMembers(report, server, bob, small, large)
  } finally {
    await server.stop()
  }
}

async function manyRooms(
  report: Report,
  server: TestServer,
  alice: Account,
  bob: Account,
  roomId: RoomId,
): Promise<void> {
  const holds: number[] = []
  let initial = await watched(server, () => sync(server, alice))
  // The first ones compile the code, and find the garbage of the making.
  for (let n = 0; n < INITIAL_SYNCS; n++) {
    initial = await watched(server, () => sync(server, alice))
    holds.push(initial.figures.longest_hold_ms)
  }
  report(`initial sync of ${ROOMS} rooms`, { ...initial.figures, longest_hold_ms: median(holds) })
  let { since } = initial
  const empty = await watched(server, () => sync(server, alice, since))
  report(`empty sync of ${ROOMS} rooms`, empty.figures)
  const times: number[] = []
  let last = empty
  for (let n = 0; n < SYNCS; n++) {
    await send(server, bob, roomId, `news-${n}`)
    last = await watched(server, () => sync(server, alice, since))
    since = last.since
    times.push(last.figures.ms)
  }
  report(`sync of ${ROOMS} rooms with news in one`, { ...last.figures, ms: median(times) })
}

async function manyMembers(
  report: Report,
  server: TestServer,
  bob: Account,
  small: RoomId,
  large: RoomId,
): Promise<void> {
  const times: [number[], number[]] = [[], []]
  // By turns, so that both meet the same machine.
  for (let n = 0; n < 2 * SENDS; n++) {
    const before = performance.now()
    await send(server, bob, n % 2 === 0 ? small : large, `size-${n}`)
    times[n % 2 === 0 ? 0 : 1].push(performance.now() - before)
  }
  const [ofSmall, ofLarge] = [median(times[0]), median(times[1])]
  report(`send, room of ${MEMBERS} and room of 2`, {
    large_p50_ms: ofLarge,
    small_p50_ms: ofSmall,
    ratio: round(ofLarge / ofSmall),
  })
}

/** Runs the sync: its time, its queries (the session's not counted), and the longest that it held the loop. */
async function watched(server: TestServer, work: () => Promise<string>) {
  const queries = server.app.db.queryCount
  // By the processor's time: a busy machine takes this process off it for longer than any turn lasts.
  let [longest, last] = [0, cpuMs()]
  let watching = true
  const watch = () => {
    const now = cpuMs()
    longest = Math.max(longest, now - last)
    last = now
    if (watching) setImmediate(watch)
  }
  setImmediate(watch)
  const before = performance.now()
  const since = await work()
  watching = false
  const ms = round(performance.now() - before)
  return { since, figures: { ms, queries: server.app.db.queryCount - queries - 1, longest_hold_ms: round(longest) } }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** The token stands at the beginning; the rest is thrown away: putting it together would count as the server's. */
function sync(server: TestServer, user: Account, since?: string): Promise<string> {
  const query = since === undefined ? '' : `?since=${since}&timeout=0`
  const headers = { Authorization: `Bearer ${user.token}` }
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}${V3}/sync${query}`, { headers }, (response) => {
      let token: string | undefined
      response.on('data', (chunk: Buffer) => {
        token ??= /"next_batch":"([^"]+)"/.exec(chunk.toString('latin1', 0, 200))?.[1]
      })
      response.on('end', () => (token === undefined ? reject(new Error('no token')) : resolve(token)))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function send(server: TestServer, user: Account, roomId: RoomId, txnId: string): Promise<void> {
  const path = `${V3}/rooms/${roomId}/send/m.room.message/${txnId}`
  const reply = await server.call('PUT', path, { token: user.token, body: { msgtype: 'm.text', body: 'hello' } })
  if (reply.status !== 200) throw new Error(JSON.stringify(reply.body))
}

async function enter(server: TestServer, roomId: RoomId, userId: string): Promise<void> {
  const user = userId as UserId
  await join(server.app, { roomId, sender: user, target: user })
}

async function inSlices<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const done: T[] = []
  for (let start = 0; start < count; start += AT_ONCE) {
    const slice = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, index) => work(start + index))
    done.push(...(await Promise.all(slice)))
  }
  return done
}

function median(values: readonly number[]): number {
  return round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
