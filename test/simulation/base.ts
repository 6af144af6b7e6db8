import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { createAccount } from '../../src/actions/accounts/create-account.ts'
import { join as joinRoom } from '../../src/actions/memberships/join.ts'
import { createRoom } from '../../src/actions/rooms/create-room.ts'
import { sendState } from '../../src/actions/rooms/send-state.ts'
import { write } from '../../src/actions/write.ts'
import { migrateToLatest } from '../../src/cli/migrations.ts'
import { configFrom } from '../../src/config/load.ts'
import type { Event } from '../../src/core/event.ts'
import type { RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { writeKeyPem } from '../../src/core/keys.ts'
import { type RoomVersion, roomVersion } from '../../src/core/room-version.ts'
import { sql } from '../../src/db/sql.ts'
import { diceOf } from '../core/state/dice.ts'
import { type Disk, diskFrom } from './disk.ts'
import { createLiar, DAVE } from './liar.ts'
import { createNetwork } from './network.ts'
import { createServer, keyOf, type Surroundings } from './server.ts'
import { createTime, type SimulatedTime } from './time.ts'

/** The honest servers, each with one who stands above the others and one who does not. */
export const HONEST = {
  'a.example': ['@alice:a.example', '@amy:a.example'],
  'b.example': ['@bob:b.example', '@ben:b.example'],
  'c.example': ['@carol:c.example', '@cid:c.example'],
} as const
export const HONEST_NAMES = Object.keys(HONEST) as (keyof typeof HONEST)[]
export const ALICE = '@alice:a.example' as UserId
export const DEVICE = 'DEVICE'
export const POWER = {
  '@bob:b.example': 60,
  '@carol:c.example': 60,
  [DAVE]: 50,
}

/** Of no story: ids of transactions that a server took here it would take for the same ones there. */
const SEED = 1_000_003
const START_MS = 1_700_000_000_000
const PATIENCE_MS = 60_000

/** A room on all servers, from which every run with this room version starts. */
export interface Base {
  readonly version: RoomVersion
  readonly roomId: RoomId
  readonly nowMs: number
  /** What the liar knows. */
  readonly memory: readonly Event[]
  /** Of each server, as it is when a story begins. */
  readonly disks: ReadonlyMap<string, Disk>
}

const bases = new Map<string, Promise<Base>>()
/** A database in which nothing has happened. */
let image: Promise<Buffer> | undefined

export function baseOf(dir: string, version: string): Promise<Base> {
  const known = bases.get(version) ?? build(dir, roomVersion(version)!)
  bases.set(version, known)
  return known
}

async function build(dir: string, version: RoomVersion): Promise<Base> {
  const time = createTime(START_MS)
  const network = createNetwork(time, diceOf(0), () => undefined)
  const fault = (text: string) => {
    throw new Error(text)
  }
  const around: Surroundings = { time, network, dir, seed: SEED, fault }
  image ??= migrated(join(dir, 'empty'))
  const empty = await image
  const disks = new Map(HONEST_NAMES.map((name) => [name as string, diskFrom(empty)]))
  const servers = HONEST_NAMES.map((name) => createServer(around, name, disks.get(name)!))
  for (const server of servers) await server.start()
  const appOf = (name: string) => servers.find((server) => server.name === name)!.app()!
  for (const [name, users] of Object.entries(HONEST)) {
    for (const userId of users) {
      const localpart = userId.slice(1, userId.indexOf(':'))
      await createAccount(appOf(name), { localpart, password: undefined, admin: false })
      await write(appOf(name), { guards: [], writes: [device(userId)], log: [] })
    }
  }
  const a = appOf('a.example')
  const creation = createRoom(a, { creator: ALICE, roomVersion: version.id, preset: 'public_chat' })
  const roomId = await complete(time, creation)
  for (const [name, users] of Object.entries(HONEST)) {
    for (const user of users) {
      const wish = { roomId, sender: user as UserId, target: user as UserId }
      await complete(time, joinRoom(appOf(name), wish, ['a.example' as ServerName]))
    }
  }
  const liar = createLiar(around, diceOf(1), { version, roomId }, [])
  await complete(time, liar.join('a.example'))
  const users = { ...(version.privilegedCreators ? {} : { [ALICE]: 100 }), ...POWER }
  const levels = { users, invite: 0, events_default: 0, state_default: 50, events: { 'm.room.power_levels': 60 } }
  const state = { roomId, sender: ALICE, guest: false, type: 'm.room.power_levels', stateKey: '', content: levels }
  await complete(time, sendState(a, state))
  await time.run(time.now() + PATIENCE_MS)
  for (const server of servers) await server.stop()
  for (const disk of disks.values()) disk.keep()
  return { version, roomId, nowMs: time.now(), memory: [...liar.known.values()], disks }
}

/** Lets time pass until the work is done. */
export async function complete<Result>(time: SimulatedTime, work: Promise<Result>): Promise<Result> {
  let done = false
  const end = () => {
    done = true
  }
  work.then(end, end)
  for (let tries = 0; !done && tries < 1_000; tries++) await time.run(time.now() + 100)
  return work
}

async function migrated(dir: string): Promise<Buffer> {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'matrix_key.pem'), writeKeyPem(keyOf('empty')))
  const database = { connection_string: 'file:empty.db' }
  const config = configFrom({
    version: 2,
    global: { server_name: 'empty', private_key: 'matrix_key.pem', database },
  })
  await migrateToLatest(config, dir, pino({ level: 'silent' }))
  return readFileSync(join(dir, 'empty.db'))
}

function device(userId: string) {
  return sql`INSERT INTO devices (user_id, device_id, created_ts) VALUES (${userId}, ${DEVICE}, ${START_MS})`
}
