import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { App } from '../../src/app.ts'
import { configFrom } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { type SigningKey, signingKeyFromSeed, writeKeyPem } from '../../src/core/keys.ts'
import { type Database, DatabaseUnavailable } from '../../src/db/database.ts'
import { startFollowers } from '../../src/followers/start.ts'
import { buildServer } from '../../src/http/server.ts'
import { type OpenedApp, openApp } from '../../src/open-app.ts'
import type { ServerRequest } from '../../src/remote/transport.ts'
import type { Disk } from './disk.ts'
import type { Answer, SimulatedNetwork } from './network.ts'
import type { SimulatedTime } from './time.ts'

/** A server of ours, whole but for the sockets, on a database that outlives its crashes. */
export interface SimulatedServer {
  readonly name: string
  /** undefined while it is down. */
  app(): OpenedApp | undefined
  start(): Promise<void>
  /** From one moment to the next nothing of it happens any more; what is committed stays. */
  crash(): Promise<void>
  /** Ends in order, with everything kept. */
  stop(): Promise<void>
}

export interface Surroundings {
  readonly time: SimulatedTime
  readonly network: SimulatedNetwork
  /** Where the servers have their files: better in memory. */
  readonly dir: string
  readonly seed: number
  /** Something happened that never should. */
  readonly fault: (text: string) => void
  /** Runs what happens in a server: a test that plants a fault in one of them has to know in which it is. */
  readonly within?: <Result>(server: string, work: () => Result) => Result
}

export function createServer(around: Surroundings, name: string, disk: Disk): SimulatedServer {
  const dir = join(around.dir, name)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'matrix_key.pem'), writeKeyPem(keyOf(name)))
  let running: Process | undefined
  let starts = 0
  around.network.peers.set(name, async (request) => running && ask(around, running, request))
  return {
    name,
    app: () => running?.app,
    async start() {
      running = await within(around, name, () => open(around, name, dir, disk.open(), starts++))
    },
    async crash() {
      const crashed = running
      running = undefined
      if (crashed !== undefined) await end(crashed)
    },
    async stop() {
      const stopped = running
      running = undefined
      await stopped?.followers.stop()
      await stopped?.app.live.inbox.idle()
      if (stopped !== undefined) await end(stopped)
    },
  }
}

const keys = new Map<string, SigningKey>()

/** The same key in every run. */
export function keyOf(name: string): SigningKey {
  const known = keys.get(name) ?? signingKeyFromSeed('ed25519:sim', Buffer.alloc(32, name))
  keys.set(name, known)
  return known
}

const configs = new Map<string, Config>()

function configOf(name: string): Config {
  const known =
    configs.get(name) ??
    configFrom({
      version: 2,
      global: {
        server_name: name,
        private_key: 'matrix_key.pem',
        database: { connection_string: 'file:in-memory.db' },
        presence: { enable_inbound: false, enable_outbound: false },
      },
      sync_api: { search: { enabled: false } },
    })
  configs.set(name, known)
  return known
}

interface Process {
  readonly name: string
  readonly app: OpenedApp
  readonly followers: Awaited<ReturnType<typeof startFollowers>>
  readonly door: Door
  readonly world: { end(): void }
  readonly life: { dead: boolean }
  readonly db: Database
}

async function open(around: Surroundings, name: string, dir: string, db: Database, starts: number): Promise<Process> {
  const { time, network, seed } = around
  const life = { dead: false }
  const log = pino({ level: 'silent' })
  log.error = (fields: unknown, text?: string) => {
    const { err } = fields as { err?: Error }
    if (!life.dead) around.fault(`${name} logged an error: ${text}: ${err?.stack}`)
  }
  const world = time.process(seed * 1_000 + starts * 100 + name.charCodeAt(0))
  const config = configOf(name)
  const transport = network.transportOf(name)
  const database = mortal(db, life, time)
  const app = await openApp({ config, dir, log, exclusive: false, transport, world, database })
  const door = takeDoor(name, app)
  return { name, app, followers: await startFollowers(app), door, world, life, db }
}

/** A database that a crashed process cannot reach any more. */
function mortal(db: Database, life: { readonly dead: boolean }, time: SimulatedTime): Database {
  const gone = () => Promise.reject(new DatabaseUnavailable('The process is dead'))
  const alive = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (life.dead) return gone()
    const result = await time.during(work())
    return life.dead ? gone() : result
  }
  return {
    ...db,
    read: (query) => (life.dead ? gone() : db.read(query)),
    commit: (batch) => alive(() => db.commit(batch)),
    nextId: (kind) => alive(() => db.nextId(kind)),
    onGrown: (listener) => db.onGrown((position) => life.dead || listener(position)),
    get queryCount() {
      return db.queryCount
    },
  }
}

async function end(process: Process): Promise<void> {
  process.life.dead = true
  process.world.end()
  if (process.door.visitors === 0) putBack(process.name, process.door)
  await process.db.close()
}

async function ask(around: Surroundings, process: Process, request: ServerRequest): Promise<Answer | undefined> {
  const { method, uri, headers, body } = request
  const { door } = process
  door.visitors++
  const injected = {
    method: method as 'GET',
    url: uri,
    headers,
    ...(body === undefined ? {} : { payload: body }),
  }
  // Injected only when it is awaited, and so inside.
  const asked = within(around, process.name, async () => await door.http.inject(injected))
  const reply = await asked.finally(() => leave(process))
  if (process.life.dead) return undefined
  if (reply.statusCode >= 500) around.fault(`${process.name} answers ${uri} with ${reply.statusCode}: ${reply.payload}`)
  return { status: reply.statusCode, body: reply.rawPayload }
}

export function within<Result>(around: Surroundings, server: string, work: () => Result): Result {
  return around.within === undefined ? work() : around.within(server, work)
}

/** The endpoints, which take longer to build than a short life lasts: one process after the other uses them. */
interface Door {
  readonly http: FastifyInstance
  app: App
  /** Requests under way. */
  visitors: number
}

const doors = new Map<string, Door[]>()

function takeDoor(name: string, app: App): Door {
  const free = doors.get(name)?.pop()
  if (free !== undefined) {
    free.app = app
    return free
  }
  const door = { app, visitors: 0 } as { http?: FastifyInstance; app: App; visitors: number }
  const current = new Proxy({} as App, { get: (_target, key) => door.app[key as keyof App] })
  door.http = buildServer(current, new AbortController().signal, {})
  return door as Door
}

function leave({ name, door, life }: Process): void {
  if (--door.visitors === 0 && life.dead) putBack(name, door)
}

/** Only when nothing is under way in the process that had it. */
function putBack(name: string, door: Door): void {
  doors.set(name, [...(doors.get(name) ?? []), door])
}
