import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { append } from '../../src/actions/append.ts'
import { placeArrival } from '../../src/actions/federation/receive-pdus.ts'
import { ownEvent } from '../../src/actions/federation/verify-pdu.ts'
import { createRoom } from '../../src/actions/rooms/create-room.ts'
import { migrateToLatest } from '../../src/cli/migrations.ts'
import { loadConfig } from '../../src/config/load.ts'
import { buildEvent, type Event } from '../../src/core/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { startServer } from '../../src/http/server.ts'
import { openApp } from '../../src/open-app.ts'
import { askServer, federationPath } from '../../src/remote/ask-server.ts'
import { roomById } from '../../src/store/rooms.ts'
import {
  freePort,
  makeAuthority,
  prepareTlsServer,
  type RunningTlsServer,
  startTlsServer,
  type TestAuthority,
} from '../helpers/tls-servers.ts'

type Report = (scenario: string, figures: object) => void

const V3 = '/_matrix/client/v3'
/** Members of the two rooms, and how often each of them changed its name. */
const ROOMS = [
  { members: 3_000, changes: 0 },
  { members: 10_000, changes: 1 },
] as const
/** Joined first: what is measured is no first join ever, in which the code is still being compiled. */
const SMALL = { members: 20, changes: 0 }
const BATCH = 200
const PDUS = 6_000
const PDUS_A_TRANSACTION = 50
const FORKED_MEMBERS = 10_000
const FORKS = 1_000
const DESTINATIONS = 500
const DEAD = 400
const WATCH_MS = 30_000

/**
 * Servers of this program with TLS: joining large rooms, receiving from a busy one, and sending to many that are mostly
 * dead. Each runs in a process of its own; this one plays the busy server, and those that are alive.
 */
export async function federationFigures(report: Report): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-federation-'))
  try {
    const authority = await makeAuthority(dir)
    const wanted = (name: string) => process.argv.includes(name) || !['joins', 'inbound', 'dead', 'forks'].some(named)
    if (wanted('joins')) await joins(report, dir, authority)
    if (wanted('inbound')) await inbound(report, dir, authority)
    if (wanted('dead')) await deadServers(report, dir, authority)
    if (wanted('forks')) await forks(report, dir, authority)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const named = (name: string) => process.argv.includes(name)

async function joins(report: Report, dir: string, authority: TestAuthority): Promise<void> {
  const resident = await prepareTlsServer(join(dir, 'resident'), authority)
  const rooms = await withApp(resident.config, async (app) => {
    const ids: RoomId[] = []
    for (const { members, changes } of [...ROOMS, SMALL]) ids.push(await largeRoom(app, members, changes))
    return ids
  })
  const [a, joiner] = [
    await startTlsServer(resident, authority),
    await prepareTlsServer(join(dir, 'joiner'), authority),
  ]
  for (const [index, { members, changes }] of ROOMS.entries()) {
    const b = await startTlsServer(joiner, authority)
    const token = await register(b, `bob${index}`)
    const small = await b.client.call('POST', `${V3}/createRoom`, { token, body: {} })
    const joinPath = (roomId = '') =>
      `${V3}/join/${encodeURIComponent(roomId)}?server_name=${encodeURIComponent(resident.name)}`
    await b.client.call('POST', joinPath(rooms.at(-1)), { token, body: {} })
    const watch = watchRequests(b, token, small.body.room_id)
    const [before, cpu] = [performance.now(), cpuMs(b.process.pid)]
    const joined = await b.client.call('POST', joinPath(rooms[index]), { token, body: {} })
    const usableMs = Math.round(performance.now() - before)
    const usableCpuMs = cpuMs(b.process.pid) - cpu
    if (joined.status !== 200) throw new Error(JSON.stringify(joined.body))
    const list = `${V3}/rooms/${encodeURIComponent(rooms[index]!)}/joined_members`
    const all = (await b.client.call('GET', list, { token })).body
    const completeMs = Math.round(performance.now() - before)
    const known = Object.keys(all.joined ?? {}).length
    if (known !== members + 2) throw new Error(`${known} members are known: ${JSON.stringify(all).slice(0, 200)}`)
    report(`join a room of ${members} members, ${members * (1 + changes)} state events`, {
      usable_ms: usableMs,
      usable_cpu_ms: usableCpuMs,
      complete_ms: completeMs,
      complete_cpu_ms: cpuMs(b.process.pid) - cpu,
      others: await watch.stop(),
      peak_mb: peakMb(b.process.pid),
      peak_mb_of_resident: peakMb(a.process.pid),
    })
    await b.stop()
  }
  await a.stop()
}

async function largeRoom(app: BenchApp, members: number, changes: number): Promise<RoomId> {
  const creator = `@owner:${app.serverName}` as UserId
  const roomId = await createRoom(app, { creator, preset: 'public_chat', name: 'Large' })
  for (let round = 0; round <= changes; round++) {
    for (let start = 0; start < members; start += BATCH) {
      await append(app, roomId, async (writer) => {
        for (let index = start; index < Math.min(members, start + BATCH); index++) {
          const sender = `@member${index}:${app.serverName}` as UserId
          const content = { displayname: `Member ${index} ${round}`, membership: 'join' }
          await writer.add({ type: 'm.room.member', stateKey: sender, sender, content })
        }
      })
    }
  }
  return roomId
}

/** Sends messages into a small room of its own all the while, as one user. */
function watchRequests(server: RunningTlsServer, token: string, roomId: string) {
  const times: number[] = []
  let stopped = false
  const running = (async () => {
    for (let n = 0; !stopped; n++) {
      const before = performance.now()
      const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/w${n}`
      await server.client.call('PUT', path, { token, body: { msgtype: 'm.text', body: 'meanwhile' } })
      times.push(performance.now() - before)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  return {
    async stop() {
      stopped = true
      await running
      const sorted = times.sort((a, b) => a - b)
      const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
      return { count: sorted.length, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) }
    },
  }
}

/** This process joins a room of the server, and then sends it a chain of messages. */
async function inbound(report: Report, dir: string, authority: TestAuthority): Promise<void> {
  const b = await startTlsServer(await prepareTlsServer(join(dir, 'busy'), authority), authority)
  const sender = await prepareTlsServer(join(dir, 'sender'), authority)
  const token = await register(b, 'bob')
  const made = await b.client.call('POST', `${V3}/createRoom`, { token, body: { preset: 'public_chat' } })
  const roomId: string = made.body.room_id
  await withApp(sender.config, async (app) => {
    const tls = {
      cert: readFileSync(join(sender.dir, 'server.crt')),
      key: readFileSync(join(sender.dir, 'server.key')),
    }
    const server = await startServer(app, { https: { host: 'localhost', port: sender.port, ...tls } })
    const last = await joinByHand(app, b.name, roomId as RoomId)
    const transactions = chain(app, last, PDUS)
    const [before, cpu] = [performance.now(), cpuMs(b.process.pid)]
    for (const [index, pdus] of transactions.entries()) {
      const content = { edus: [], origin: app.serverName, origin_server_ts: Date.now(), pdus }
      const uri = federationPath`/v1/send/${`bench${index}`}`
      await askServer(app, b.name as never, { method: 'PUT', uri, content: content as unknown as JsonObject })
    }
    const answeredMs = performance.now() - before
    for (let newest = ''; newest !== `Message ${PDUS - 1}`; ) {
      const path = `${V3}/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=1`
      newest = (await b.client.call('GET', path, { token })).body.chunk[0]?.content.body ?? ''
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const takenMs = performance.now() - before
    report(`receive ${PDUS} PDUs, ${PDUS_A_TRANSACTION} a transaction`, {
      answered_per_s: Math.round((PDUS / answeredMs) * 1_000),
      in_their_room_per_s: Math.round((PDUS / takenMs) * 1_000),
      cpu_us_per_pdu: Math.round(((cpuMs(b.process.pid) - cpu) / PDUS) * 1_000),
      peak_mb: peakMb(b.process.pid),
    })
    await server.stop()
  })
  await b.stop()
}

/** Events of another server that all follow the same one, in a large room: each makes one more end of it. */
async function forks(report: Report, dir: string, authority: TestAuthority): Promise<void> {
  const prepared = await prepareTlsServer(join(dir, 'forked'), authority)
  await withApp(prepared.config, async (app) => {
    const roomId = await largeRoom(app, FORKED_MEMBERS, 0)
    const sender = `@member0:${app.serverName}` as UserId
    const [root] = await append(app, roomId, async (writer) => {
      await writer.add({ type: 'm.room.message', stateKey: null, sender, content: { body: 'root', msgtype: 'm.text' } })
    })
    const source = { room: 1, roomId, version: roomVersion('12')!, server: 'other.example' as ServerName }
    const row = (await roomById(app.db, roomId))!
    const times: number[] = []
    for (let n = 0; n < FORKS; n++) {
      const state = n % 10 === 0
      const frame = {
        room_id: roomId,
        sender,
        depth: root!.depth + 1,
        prev_events: [root!.eventId],
        auth_events: root!.authEvents,
      }
      const content = state
        ? { displayname: `Fork ${n}`, membership: 'join' }
        : { body: `Fork ${n}`, msgtype: 'm.text' }
      const draft = state ? { type: 'm.room.member', stateKey: sender } : { type: 'm.room.message', stateKey: null }
      const event = ownEvent(built(app, frame as unknown as JsonObject, { content, ...draft }))
      const before = performance.now()
      await placeArrival(app, { ...source, room: row.room }, event)
      times.push(performance.now() - before)
    }
    const sorted = times.sort((a, b) => a - b)
    const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10
    report(`${FORKS} forks in a room of ${FORKED_MEMBERS}`, { p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) })
  })
}

async function joinByHand(app: BenchApp, server: string, roomId: RoomId): Promise<Event> {
  const userId = `@carol:${app.serverName}` as UserId
  const uri = `${federationPath`/v1/make_join/${roomId}/${userId}`}?ver=12`
  const { event } = (await askServer(app, server as never, { method: 'GET', uri })) as { event: JsonObject }
  const join = built(app, event, { content: { membership: 'join' }, type: 'm.room.member', stateKey: userId })
  const path = federationPath`/v2/send_join/${roomId}/${join.eventId}`
  await askServer(app, server as never, { method: 'PUT', uri: path, content: join.pdu })
  return join
}

function built(
  app: BenchApp,
  frame: JsonObject,
  draft: { content: JsonObject; type: string; stateKey: string | null },
) {
  return buildEvent(
    roomVersion('12')!,
    {
      ...draft,
      roomId: frame.room_id as RoomId,
      sender: frame.sender as UserId,
      originServerTs: Date.now(),
      depth: Number(frame.depth),
      prevEvents: frame.prev_events as unknown as EventId[],
      authEvents: frame.auth_events as unknown as EventId[],
    },
    app.serverName,
    app.key,
  )
}

function chain(app: BenchApp, join: Event, count: number): JsonObject[][] {
  const transactions: JsonObject[][] = []
  const levels = join.authEvents.slice(0, 1)
  let last = join
  for (let n = 0; n < count; n++) {
    const frame = {
      room_id: join.roomId,
      sender: join.sender,
      depth: last.depth + 1,
      prev_events: [last.eventId],
      auth_events: [...levels, join.eventId],
    }
    const content = { body: `Message ${n}`, msgtype: 'm.text' }
    last = built(app, frame as unknown as JsonObject, { content, type: 'm.room.message', stateKey: null })
    if (n % PDUS_A_TRANSACTION === 0) transactions.push([])
    transactions.at(-1)!.push(last.pdu)
  }
  return transactions
}

/** One message to servers of which most do not answer; then what it costs to keep trying. */
async function deadServers(report: Report, dir: string, authority: TestAuthority): Promise<void> {
  const prepared = await prepareTlsServer(join(dir, 'lonely'), authority)
  const tls = {
    cert: readFileSync(join(prepared.dir, 'server.crt')),
    key: readFileSync(join(prepared.dir, 'server.key')),
  }
  const received = new Map<string, number>()
  const alive: { name: string; server: Server }[] = []
  for (let n = 0; n < DESTINATIONS - DEAD; n++) alive.push(await listener(tls, received))
  const dead = await Promise.all(Array.from({ length: DEAD }, freePort))
  const names = [...alive.map(({ name }) => name), ...dead.map((port) => `localhost:${port}`)]
  const roomId = await withApp(prepared.config, (app) => roomOf(app, names))
  const server = await startTlsServer(prepared, authority)
  const { pid } = server.process
  // Whoever came into the room is told of those who came later.
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS / 3))
  const token = await register(server, 'owner')
  received.clear()
  const before = performance.now()
  const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`
  const sent = await server.client.call('PUT', path, { token, body: { msgtype: 'm.text', body: 'Is anybody there?' } })
  if (sent.status !== 200) throw new Error(JSON.stringify(sent.body))
  while (received.size < DESTINATIONS - DEAD) await new Promise((resolve) => setTimeout(resolve, 20))
  const reachedMs = Math.round(performance.now() - before)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
  const [cpuBefore, memoryBefore] = [cpuMs(pid), rssMb(pid)]
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS))
  report(`a message to ${DESTINATIONS} servers, ${DEAD} of them dead`, {
    all_alive_reached_ms: reachedMs,
    cpu_percent_later: Math.round(((cpuMs(pid) - cpuBefore) / WATCH_MS) * 1_000) / 10,
    rss_mb: [memoryBefore, rssMb(pid)],
    peak_mb: peakMb(pid),
  })
  await server.stop()
  for (const { server: one } of alive) one.closeAllConnections()
  for (const { server: one } of alive) one.close()
}

/** A server that takes everything in, and counts the transactions. */
async function listener(tls: { cert: Buffer; key: Buffer }, received: Map<string, number>) {
  const server = createServer(tls, (request, response) => {
    request.resume().on('end', () => {
      if (request.url?.includes('/send/')) received.set(name, (received.get(name) ?? 0) + 1)
      response.setHeader('content-type', 'application/json').end('{"pdus":{}}')
    })
  })
  const port = await freePort()
  const name = `localhost:${port}`
  await new Promise<void>((resolve) => server.listen(port, 'localhost', resolve))
  return { name, server }
}

async function roomOf(app: BenchApp, servers: readonly string[]): Promise<RoomId> {
  const creator = `@owner:${app.serverName}` as UserId
  const roomId = await createRoom(app, { creator, preset: 'public_chat' })
  await append(app, roomId, async (writer) => {
    for (const server of servers) {
      const sender = `@guest:${server}` as UserId
      await writer.add({ type: 'm.room.member', stateKey: sender, sender, content: { membership: 'join' } })
    }
  })
  return roomId
}

type BenchApp = Awaited<ReturnType<typeof openApp>>

/** Opens the server's database in this process, which nobody else has open. */
async function withApp<T>(path: string, work: (app: BenchApp) => Promise<T>): Promise<T> {
  const { config: read, dir } = loadConfig({ file: path, dir: undefined })!
  const log = pino({ level: 'warn' })
  await migrateToLatest(read, dir, log)
  // This process knows whom it talks to, and not the authority.
  const config = { ...read, federation_api: { ...read.federation_api, disable_tls_validation: true } }
  const app = await openApp({ config, dir, log, exclusive: true })
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}

async function register(server: RunningTlsServer, username: string): Promise<string> {
  const body = { username, password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
  const reply = await server.client.call('POST', `${V3}/register`, { body })
  if (reply.status !== 200) throw new Error(JSON.stringify(reply.body))
  return reply.body.access_token
}

const statusMb = (pid: number, key: string) =>
  Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024)
const peakMb = (pid: number) => statusMb(pid, 'VmHWM')
const rssMb = (pid: number) => statusMb(pid, 'VmRSS')

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
