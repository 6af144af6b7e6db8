import { createHash } from 'node:crypto'
import { changeMembership } from '../../src/actions/memberships/change-membership.ts'
import { type EventId, serverNameOf, type UserId } from '../../src/core/ids.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import type { OpenedApp } from '../../src/open-app.ts'
import { type Dice, diceOf } from '../core/state/dice.ts'
import { disagreements, isInRoom, lostEvents, type Picture, pictureOf, strayMessages } from './agreement.ts'
import { ALICE, type Base, baseOf, complete, HONEST, HONEST_NAMES } from './base.ts'
import { createLiar, DAVE, LIAR, type Liar } from './liar.ts'
import { createNetwork, FAIR, type SimulatedNetwork } from './network.ts'
import { actorOf, anyOperation, send } from './operations.ts'
import { createServer, type SimulatedServer, type Surroundings, within } from './server.ts'
import { createTime } from './time.ts'

export interface Outcome {
  /** Everything that went wrong; empty when all is well. */
  readonly faults: readonly string[]
  /** What happened, line by line. */
  readonly trace: readonly string[]
  /** Of the trace. */
  readonly hash: string
  readonly tally: Readonly<Record<string, number>>
}

export interface Wishes {
  /** Where the servers of this process have their files. */
  readonly dir: string
  readonly within?: Surroundings['within']
  /** Between the servers and the network: a test may lose there what must not be lost. */
  readonly tamper?: (network: SimulatedNetwork) => void
  /** Looks at the servers in the end. */
  readonly inspect?: (servers: readonly SimulatedServer[], roomId: string) => Promise<void>
}

/** Room versions that differ in how they are resolved, redacted and authorised. */
const VERSIONS = ['1', '2', '6', '9', '10', '11', '12']
const OPERATIONS = 60
const PAUSE_MAX_MS = 6_000
/** Within this time a server that was left alone in a storm is asked again, and everything else has happened. */
const RECOVERY_MS = 1_200_000
const CALM_MS = 65_000
const STORM = { delayMaxMs: 1_500, lossPercent: 10, twicePercent: 10 }

interface Run {
  readonly around: Surroundings
  readonly base: Base
  readonly dice: Dice
  readonly servers: readonly SimulatedServer[]
  readonly liar: Liar
  readonly trace: string[]
  readonly faults: string[]
  readonly tally: Record<string, number>
  /** Events and to-device messages that a client was told are sent. */
  readonly promised: EventId[]
  readonly messages: string[]
  /** In room versions 1 and 2 no redaction: what it may is decided by what it names, which is gone then. */
  readonly redactable: EventId[]
  readonly underWay: Set<{ readonly app: OpenedApp; readonly what: string }>
  count: number
}

/** One story: sixty operations in a storm, and whether the honest servers agree when it is over. */
export async function simulate(seed: number, wishes: Wishes): Promise<Outcome> {
  const dice = diceOf(seed)
  const base = await baseOf(wishes.dir, dice.pick(VERSIONS))
  const time = createTime(base.nowMs + 1_000)
  const trace: string[] = []
  const faults: string[] = []
  const say = (line: string) => void trace.push(`${time.now() - base.nowMs} ${line}`)
  const network = createNetwork(time, diceOf(seed + 1), say)
  const { dir } = wishes
  const fault = (text: string) => void faults.push(text)
  const around = { time, network, dir, seed, fault, ...(wishes.within && { within: wishes.within }) }
  const servers = HONEST_NAMES.map((name) => createServer(around, name, base.disks.get(name)!))
  const liar = createLiar(around, diceOf(seed + 2), base, base.memory)
  wishes.tamper?.(network)
  const told = {
    promised: [],
    messages: [],
    redactable: [],
    underWay: new Set<{ app: OpenedApp; what: string }>(),
    tally: {},
  }
  const run: Run = { around, base, dice, servers, liar, trace, faults, ...told, count: 0 }
  try {
    for (const server of servers) await server.start()
    await storm(run)
    await calm(run)
    await verdict(run)
  } catch (error) {
    faults.push(`the story ends early: ${(error as Error).stack}`)
  } finally {
    await wishes.inspect?.(servers, base.roomId)
    await Promise.all(servers.map((server) => server.stop()))
    for (const disk of base.disks.values()) disk.reset()
  }
  return { faults, trace, hash: createHash('sha256').update(trace.join('\n')).digest('hex'), tally: run.tally }
}

async function storm(run: Run): Promise<void> {
  const { around, dice } = run
  around.network.weather = STORM
  while (run.count < OPERATIONS) {
    await around.time.run(around.time.now() + dice.below(PAUSE_MAX_MS))
    const chance = dice.below(100)
    if (chance < 4) split(run)
    else if (chance < 8) mend(run)
    else if (chance < 12) await crashOrStart(run)
    else if (chance < 22) lie(run)
    else await operate(run)
  }
}

async function operate(run: Run): Promise<void> {
  const { around, dice, base } = run
  const count = ++run.count
  const user = dice.pick(Object.values(HONEST).flat()) as UserId
  const app = serverOf(run, serverNameOf(user)).app()
  if (app === undefined) {
    say(run, `${user} can do nothing: the server is down`)
    return
  }
  const actor = await actorOf({
    app,
    user,
    version: base.version,
    roomId: base.roomId,
    dice,
    count,
    sent: run.redactable,
  })
  const { name, operation } = anyOperation(actor)
  const work = within(around, app.serverName, () => operation(actor))
  const ends = work.then(
    (id) => {
      if (id === undefined || serverOf(run, app.serverName).app() !== app) return
      say(run, `${count} ${user} ${name}: ${id}`)
      tally(run, name)
      if (name === 'message') run.messages.push(id)
      else run.promised.push(id as EventId)
      if (name !== 'message' && (name !== 'redact' || !base.version.redactionInAuth)) run.redactable.push(id as EventId)
    },
    (error: unknown) => {
      if (serverOf(run, app.serverName).app() !== app) return
      say(run, `${count} ${user} ${name}: ${(error as Error).message}`)
      tally(run, `${name} refused`)
      if (!(error instanceof MatrixError)) run.faults.push(`${name} of ${user}: ${(error as Error).stack}`)
    },
  )
  const entry = { app, what: `${count} ${user} ${name}` }
  run.underWay.add(entry)
  void ends.finally(() => run.underWay.delete(entry))
}

function lie(run: Run): void {
  if (run.dice.below(5) === 0) {
    const by = run.dice.pick(HONEST_NAMES)
    say(run, `${DAVE} joins by ${by}`)
    run.liar.join(by).catch((error: unknown) => say(run, `${DAVE} cannot join: ${(error as Error).message}`))
    return
  }
  void run.liar.lie(HONEST_NAMES).then((name) => tally(run, `lie ${name}`))
}

function split(run: Run): void {
  const { network } = run.around
  network.parts = new Map([...HONEST_NAMES, LIAR].map((name) => [name, run.dice.below(2)]))
  say(run, `parts ${[...network.parts].join(' ')}`)
}

function mend(run: Run): void {
  run.around.network.parts = new Map()
  say(run, 'parts none')
}

async function crashOrStart(run: Run): Promise<void> {
  const server = run.dice.pick(run.servers)
  const up = server.app() !== undefined
  say(run, `${server.name} ${up ? 'crashes' : 'starts'}`)
  tally(run, up ? 'crash' : 'start')
  await (up ? server.crash() : server.start())
}

/** Everybody is there and reaches everybody, and each server says something on top of all that it has heard. */
async function calm(run: Run): Promise<void> {
  const { time, network } = run.around
  network.weather = FAIR
  mend(run)
  for (const server of run.servers) if (server.app() === undefined) await server.start()
  await time.run(time.now() + RECOVERY_MS)
  for (const { app, what } of run.underWay) {
    // What a crash interrupted has no end.
    if (serverOf(run, app.serverName).app() === app) run.faults.push(`${what} never ends`)
  }
  await round(run)
  await round(run)
}

async function round(run: Run): Promise<void> {
  const { time } = run.around
  for (const server of run.servers) {
    const picture = await pictureAt(run, server)
    if (!isInRoom(picture)) continue
    const { app, user } = spokesman(server, picture)
    const { base } = run
    const actor = { app, user, roomId: base.roomId, count: ++run.count }
    const id = await complete(
      time,
      within(run.around, app.serverName, () => send(actor)),
    )
    say(run, `${user} says at last ${id}`)
    await time.run(time.now() + CALM_MS)
  }
}

function spokesman(server: SimulatedServer, picture: Picture) {
  const users = (HONEST as Readonly<Record<string, readonly string[]>>)[server.name]!
  return { app: server.app()!, user: users.find((userId) => picture.members.get(userId) === 'join') as UserId }
}

async function verdict(run: Run): Promise<void> {
  await agree(run)
  await shutOut(run)
  await round(run)
  await agree(run)
}

async function agree(run: Run): Promise<void> {
  const pictures = await Promise.all(run.servers.map((server) => pictureAt(run, server)))
  // The liar may remove a server and tell only half of the others: then nobody but the liar can bring them together.
  const [a] = pictures
  const inRoom = pictures.filter((picture) => isInRoom(picture) && a!.servers.includes(picture.server))
  const before = new Set(run.base.memory.map(({ eventId }) => eventId as string))
  run.faults.push(...disagreements(inRoom, before), ...strayMessages(run.messages, pictures))
  const stayed = inRoom.filter(({ server }) => server === 'a.example')
  run.faults.push(...lostEvents(run.promised, stayed))
  for (const { server, state } of pictures) say(run, `${server} ${[...state].join(' ')}`)
}

/** Who is banned speaks as of before: all soft-fail it. */
async function shutOut(run: Run): Promise<void> {
  const { around, base, liar } = run
  const { time } = around
  const { app } = run.servers[0]!
  const wish = { roomId: base.roomId, sender: ALICE, target: DAVE, membership: 'ban' as const }
  await complete(
    time,
    within(around, 'a.example', () => changeMembership(app()!, wish)),
  )
  await time.run(time.now() + CALM_MS)
  const evasion = liar.evasion()
  await complete(time, Promise.all(HONEST_NAMES.map((name) => liar.tell(name, [evasion.pdu]))))
  await time.run(time.now() + CALM_MS)
  for (const server of run.servers) {
    const picture = await pictureAt(run, server)
    const event = picture.events.get(evasion.eventId)
    if (isInRoom(picture) && isBanned(picture) && event?.soft_failed !== 1)
      run.faults.push(`${server.name} lets a banned user speak: ${JSON.stringify(event)}`)
  }
}

/** It knows of the ban. */
function isBanned(picture: Picture): boolean {
  return picture.members.get(DAVE) === 'ban'
}

function pictureAt(run: Run, server: SimulatedServer): Promise<Picture> {
  return pictureOf(server.name, server.app()!.db, run.base.roomId)
}

function serverOf(run: Run, name: string): SimulatedServer {
  return run.servers.find((server) => server.name === name)!
}

function say(run: Run, line: string): void {
  run.trace.push(`${run.around.time.now() - run.base.nowMs} ${line}`)
}

function tally(run: Run, what: string): void {
  run.tally[what] = (run.tally[what] ?? 0) + 1
}
