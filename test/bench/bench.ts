import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../helpers/postgres.ts'
import { AS_INSTALLED, RUN } from '../helpers/server-process.ts'
import { benchClient, type Client } from './client.ts'
import { coreFigures } from './core.ts'
import { federationFigures } from './federation.ts'
import { largeFigures } from './large.ts'
import { machineLimit } from './limit.ts'
import { mediaFigures } from './media.ts'

/**
 * `npm run bench [-- --db postgres://…]`: starts the built server, loads it, prints figures as JSON lines.
 * `npm run bench -- postgres`: on a database of its own, started for it.
 * `npm run bench -- send`: sends alone, on either. `-- core`: the figures of the core alone, without a server;
 * `-- large`: those of an account with many rooms and a room with many members alone; `-- media`: thumbnails alone;
 * `-- federation [joins|inbound|dead]`: those between servers alone.
 */
const CLIENTS = 16
const SECONDS = 4
const WAKES = 200
const PAGES = 300

interface Subject {
  readonly client: Client
  readonly pid: number
  readonly startMs: number
  stop(): Promise<void>
}

async function main(): Promise<void> {
  if (process.argv.includes('large')) return largeFigures(report)
  if (process.argv.includes('federation')) return federationFigures(report)
  if (process.argv.includes('media')) return mediaFigures(report)
  const sendsAlone = process.argv.includes('send')
  if (!sendsAlone) coreFigures(report)
  if (process.argv.includes('core')) return
  const at = process.argv.indexOf('--db')
  const own = process.argv.includes('postgres') ? await startPostgres() : undefined
  const database = at < 0 ? own?.uri : process.argv[at + 1]
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-bench-'))
  try {
    report('limit of the machine', { events_per_s: await machineLimit(join(dir, 'limit'), CLIENTS, SECONDS) })
    const subject = await start(dir, database)
    report('start', { ms: subject.startMs, rss_mb: memoryOf(subject.pid) })
    const users = await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) => register(subject.client, `user${index}`)),
    )
    await sends(subject, users, 1)
    await sends(subject, users, CLIENTS)
    if (!sendsAlone) await wakes(subject, users)
    if (!sendsAlone) await reads(subject, users)
    report('memory after the load', { rss_mb: memoryOf(subject.pid) })
    await subject.stop()
    if (sendsAlone) return
    if (database === undefined) await largeFigures(report)
    if (database === undefined) await federationFigures(report)
  } finally {
    rmSync(dir, { recursive: true, force: true })
    await own?.stop()
  }
}

async function start(dir: string, database: string | undefined): Promise<Subject> {
  const port = await freePort()
  const config = [
    'config',
    'init',
    '--print',
    '--ci',
    '--dir',
    dir,
    ...(database === undefined ? [] : ['--db', database]),
  ]
  writeFileSync(join(dir, 'dendrite.yaml'), await output(config))
  await output(['generate-keys', '--private-key', join(dir, 'matrix_key.pem')])
  const before = performance.now()
  const args = ['serve', '--config', join(dir, 'dendrite.yaml'), '--http-bind-address', `127.0.0.1:${port}`]
  const child = spawn(process.execPath, [RUN, ...args, '--really-enable-open-registration'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...AS_INSTALLED },
  })
  const client = benchClient(port, CLIENTS * 2)
  while (!(await isReady(client))) await new Promise((resolve) => setTimeout(resolve, 20))
  const startMs = Math.round(performance.now() - before)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    client.close()
    child.kill('SIGTERM')
    await ended
  }
  return { client, pid: child.pid ?? 0, startMs, stop }
}

async function isReady(client: Client): Promise<boolean> {
  return client.call('GET', '/_matrix/client/versions').then(
    (answer) => answer.status === 200,
    () => false,
  )
}

function output(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return new Promise((resolve, reject) =>
    child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`${args.join(' ')}: exit ${code}`)))),
  )
}

async function register(client: Client, username: string): Promise<string> {
  const body = { username, password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
  const answer = await client.call('POST', '/_matrix/client/v3/register', { body })
  return answer.body.access_token
}

/**
 * All clients send for some seconds, spread over the rooms; before, for one second that does not count: the code is
 * still being compiled.
 */
async function sends(subject: Subject, users: readonly string[], roomCount: number): Promise<void> {
  const rooms = await Promise.all(Array.from({ length: roomCount }, (_, index) => room(subject.client, users, index)))
  await sendFor(subject, users, rooms, 1)
  const cpu = cpuMs(subject.pid)
  const times = await sendFor(subject, users, rooms, SECONDS)
  const cpuPerSend = (cpuMs(subject.pid) - cpu) / times.length
  report(`send, ${CLIENTS} clients, ${roomCount} room(s)`, {
    per_s: Math.round(times.length / SECONDS),
    ...percentiles(times),
    cpu_ms: round(cpuPerSend),
  })
}

let transactions = 0

/** Resolves with how long each took, in milliseconds. */
async function sendFor(
  { client }: Subject,
  users: readonly string[],
  rooms: readonly string[],
  seconds: number,
): Promise<number[]> {
  const times: number[] = []
  const until = performance.now() + seconds * 1_000
  await Promise.all(
    users.map(async (token, user) => {
      for (let n = 0; performance.now() < until; n++) {
        const path = `/_matrix/client/v3/rooms/${rooms[user % rooms.length]}/send/m.room.message/send-${transactions++}`
        const before = performance.now()
        const answer = await client.call('PUT', path, { token, body: message(n) })
        if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
        times.push(performance.now() - before)
      }
    }),
  )
  return times
}

async function room(client: Client, users: readonly string[], index: number): Promise<string> {
  const owner = users[index % users.length] ?? ''
  const made = await client.call('POST', '/_matrix/client/v3/createRoom', {
    token: owner,
    body: { preset: 'public_chat' },
  })
  const roomId = encodeURIComponent(made.body.room_id)
  for (const token of users) await client.call('POST', `/_matrix/client/v3/join/${roomId}`, { token, body: {} })
  return roomId
}

/** One message, one waking sync. */
async function wakes(subject: Subject, users: readonly string[]): Promise<void> {
  const { client } = subject
  const [sender = '', reader = ''] = users
  const roomId = await room(client, [sender, reader], 0)
  let since = (await client.call('GET', '/_matrix/client/v3/sync', { token: reader })).body.next_batch
  const times: number[] = []
  for (let n = 0; n < WAKES; n++) {
    const poll = client.call('GET', `/_matrix/client/v3/sync?timeout=30000&since=${since}`, { token: reader })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const before = performance.now()
    const path = `/_matrix/client/v3/rooms/${roomId}/send/m.room.message/wake-${n}`
    const sent = client.call('PUT', path, { token: sender, body: message(n) })
    since = (await poll).body.next_batch
    times.push(performance.now() - before)
    await sent
  }
  report('send to waking sync', percentiles(times))
}

async function reads(subject: Subject, users: readonly string[]): Promise<void> {
  const [token = ''] = users
  const { client } = subject
  const joined = (await client.call('GET', '/_matrix/client/v3/joined_rooms', { token })).body.joined_rooms
  const since = (await client.call('GET', '/_matrix/client/v3/sync', { token })).body.next_batch
  const page = `/_matrix/client/v3/rooms/${encodeURIComponent(joined[0])}/messages?dir=b&limit=50`
  for (const [name, path] of [
    ['messages, 50 a page', page],
    ['empty incremental sync', `/_matrix/client/v3/sync?since=${since}&timeout=0`],
  ] as const) {
    const times: number[] = []
    for (let n = 0; n < PAGES; n++) {
      const before = performance.now()
      await client.call('GET', path, { token })
      times.push(performance.now() - before)
    }
    report(name, percentiles(times))
  }
}

function message(n: number) {
  return { msgtype: 'm.text', body: `Message ${n} of a benchmark, as long as people write them on an ordinary day.` }
}

function percentiles(times: number[]) {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return { p50_ms: at(0.5), p99_ms: at(0.99) }
}

/** Resident memory in MB and CPU time in ms, where the system has /proc. */
function memoryOf(pid: number): number | null {
  const text = proc(pid, 'status')
  const match = text === null ? null : /VmRSS:\s+(\d+)/.exec(text)
  return match === null ? null : Math.round(Number(match[1]) / 1_024)
}

function cpuMs(pid: number): number {
  const fields = proc(pid, 'stat')?.split(') ')[1]?.split(' ')
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * 10
}

function proc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return null
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function report(scenario: string, figures: object): void {
  process.stdout.write(`${JSON.stringify({ scenario, ...figures })}\n`)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

await main()
