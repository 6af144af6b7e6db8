import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import { SERVER_PAUSES } from '../live/pauses.ts'
import { askServer, federationPath, Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { listChangesFor } from '../store/device-lists.ts'
import {
  type DestinationRow,
  destinations,
  dropEdus,
  edusFor,
  firstPosition,
  keepDestination,
  moreThanFor,
  newestPdusFor,
  pdusFor,
  serversWithEdus,
} from '../store/federation-outbox.ts'
import { logLacksRows } from '../store/log.ts'
import { pduOf } from '../store/pdus.ts'
import { neighbours } from '../store/room-servers.ts'
import { keptEvents } from '../views/expired.ts'
import { type Audience, createAudience } from './audience.ts'
import { deviceListEdus } from './device-list-edus.ts'
import type { Follower } from './follower.ts'
import { introducePresence } from './introduce-presence.ts'
import type { Lease } from './lease.ts'
import { allIdle, type Pace, paced } from './pace.ts'

/** Server-Server API, "Transactions": what one may hold. */
const PDUS_MAX = 50
const EDUS_MAX = 100
/** Rows of the log read at once. */
const LOG_ROWS = 1_000
const TIMEOUT_MS = 60_000
/** Events that a server missed; of more than that, only the newest of each room. */
const FAR_BEHIND = 1_000
/** How far each server was told is kept this often: what was sent twice after a crash is dropped by its receiver. */
const KEEP_MS = 1_000
/** Refusals of one and the same item after which it is left out. */
const REFUSALS_MAX = 3

interface Destination {
  readonly server: ServerName
  position: number
  /** Items of the next transaction; less than all after a refusal. */
  size: number
  /** So much waits for it that it gets the newest of each room only, and asks for the rest; undefined: to be seen. */
  farBehind: boolean | undefined
  refusals: number
  changed: boolean
  readonly pace: Pace
}

/**
 * Tells other servers what happened in the rooms that they share with us. Each is a cursor on the log with a pace of
 * its own: one that is slow, away or refuses does not hold up the others.
 */
export async function startFederationSender(app: App, lease: Lease): Promise<Follower> {
  const state = await loadState(app, lease)
  let followed: Promise<void> = Promise.resolve()
  const follow = () => {
    followed = followed
      .then(() => readLog(app, state))
      .catch((error: unknown) => app.log.error({ err: error }, 'the log'))
  }
  const stopListening = [
    app.db.onGrown(follow),
    app.live.destinations.onWake((server, alive) => revive(state, server, alive)),
  ]
  const paces = () => [...state.byServer.values()].map(({ pace }) => pace)
  for (const pace of paces()) pace.start()
  follow()
  const idle = async () => {
    for (let seen = followed; ; seen = followed) {
      await seen
      await allIdle(paces)
      if (seen === followed) return
    }
  }
  return {
    idle,
    async stop() {
      state.stopped = true
      for (const stop of stopListening) stop()
      state.cancelKeep?.()
      for (const pace of paces()) pace.stop()
      state.stopping.abort()
      await idle()
      await keep(app, state)
    },
  }
}

interface State {
  readonly lease: Lease
  readonly byServer: Map<ServerName, Destination>
  /** The log was read up to here. */
  seen: number
  readonly audience: Audience
  readonly stopping: AbortController
  /** Ends the wait until the cursors are kept; undefined when none has moved. */
  cancelKeep: (() => void) | undefined
  transactions: number
  stopped: boolean
}

async function loadState(app: App, lease: Lease): Promise<State> {
  const byServer = new Map<ServerName, Destination>()
  const state: State = {
    lease,
    byServer,
    seen: app.db.safePosition(),
    audience: createAudience(app),
    stopping: new AbortController(),
    cancelKeep: undefined,
    transactions: 0,
    stopped: false,
  }
  for (const row of await destinations(app.db)) byServer.set(row.server, destinationOf(app, state, row))
  for (const { server } of [...(await neighbours(app.db, app.serverName)), ...(await serversWithEdus(app.db))]) {
    await destination(app, state, server)
  }
  return state
}

function destinationOf(app: App, state: State, row: DestinationRow): Destination {
  const { server, position, failures, retry_at: retryAt } = row
  const pace = paced(app, {
    step: () => sendSome(app, state, destination),
    failed: (error) => app.log.error({ server, err: error }, 'a server is told nothing for a while'),
    pauses: SERVER_PAUSES,
    failures,
    retryAt: retryAt ?? 0,
  })
  const destination: Destination = {
    server,
    position,
    size: PDUS_MAX,
    farBehind: undefined,
    refusals: 0,
    changed: false,
    pace,
  }
  return destination
}

async function destination(app: App, state: State, server: ServerName): Promise<Destination> {
  const known = state.byServer.get(server)
  if (known !== undefined) return known
  const position = await firstPosition(app.db, server)
  const fresh = destinationOf(app, state, { server, position, failures: 0, retry_at: null })
  // Two may have asked.
  const entry = state.byServer.get(server) ?? fresh
  state.byServer.set(server, entry)
  return entry
}

/** Starts whoever is concerned by what the log tells. */
async function readLog(app: App, state: State): Promise<void> {
  for (let to = app.db.safePosition(); state.seen < to && !state.stopped; to = app.db.safePosition()) {
    const rows = await app.live.logTail.rows(state.seen, to, LOG_ROWS)
    const { concerned, alive } = await state.audience.of(rows)
    state.seen = rows.length === LOG_ROWS ? rows[rows.length - 1]!.position : to
    for (const server of concerned) {
      const { position, pace } = await destination(app, state, server)
      // What was read for its last transaction need not be looked at again.
      if (position < state.seen) pace.start()
    }
    for (const server of alive) revive(state, server, true)
    await introducePresence(app, rows)
  }
}

/** Something waits for the server; and when it spoke to us, its pause is over. */
function revive(state: State, server: ServerName, alive: boolean): void {
  const pace = state.byServer.get(server)?.pace
  if (alive && pace?.failures === 0) return
  if (alive) pace?.endPause()
  pace?.start()
}

interface Parcel {
  readonly pdus: readonly JsonObject[]
  /** EDUs of device lists, made from what the lists are now. */
  readonly lists: readonly JsonObject[]
  readonly edus: readonly { readonly id: number; readonly edu: string }[]
  readonly passing: readonly (readonly [key: string, edu: JsonObject])[]
  /** Where the server is when it has taken it. */
  readonly position: number
  /** It is as large as it may be. */
  readonly full: boolean
}

/** Sends one transaction. Resolves with whether there was more to send when it was made. */
async function sendSome(app: App, state: State, destination: Destination): Promise<boolean> {
  if (state.stopped) return false
  const parcel = await nextParcel(app, destination)
  if (parcel.pdus.length + parcel.lists.length + parcel.edus.length + parcel.passing.length === 0) {
    moveTo(app, state, destination, parcel.position)
    return parcel.full
  }
  const txnId = `${app.live.boot}-${++state.transactions}`
  try {
    await send(app, state, destination.server, txnId, parcel)
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error
    return failed(app, state, destination, parcel, error)
  }
  await delivered(app, state, destination, parcel)
  return parcel.full
}

async function nextParcel(app: App, destination: Destination): Promise<Parcel> {
  const to = app.db.safePosition()
  const { server, position, pace } = destination
  const span = { server, ourName: app.serverName, since: position, to }
  // Whoever failed is asked by little, which is cheap to try again; then it is known how much it missed.
  const size = pace.failures > 0 ? 1 : destination.size
  const lacksRows = () => logLacksRows(app.db, position, to)
  if (pace.failures === 0)
    destination.farBehind ??= (await moreThanFor(app.db, span, FAR_BEHIND)) || (await lacksRows())
  const newestOnly = destination.farBehind === true || (pace.failures > 0 && (await lacksRows()))
  const rows = await (newestOnly ? newestPdusFor : pdusFor)(app.db, span, size)
  if (rows.length < size) destination.farBehind = false
  const changes = await listChangesFor(app.db, server, app.serverName, position, to, size)
  const edusMax = Math.min(size * 2, EDUS_MAX - changes.length)
  const edus = await edusFor(app.db, server, edusMax)
  const passingMax = EDUS_MAX - changes.length - edus.length
  const passing = app.live.destinations.waiting(server, passingMax)
  const reached = Math.min(endOf(rows, size, to), endOf(changes, size, to))
  return {
    pdus: (
      await keptEvents(
        app,
        rows.filter((row) => row.position <= reached),
      )
    ).map(pduOf),
    lists: await deviceListEdus(
      app,
      changes.filter((row) => row.position <= reached),
    ),
    edus,
    passing,
    position: reached,
    full: rows.length === size || changes.length === size || edus.length === edusMax || passing.length === passingMax,
  }
}

/** Up to where the rows are all there are: there may be more after as many as were asked for. */
function endOf(rows: readonly { readonly position: number }[], limit: number, to: number): number {
  return rows.length < limit ? to : (rows.at(-1)?.position ?? to)
}

async function send(app: App, state: State, server: ServerName, txnId: string, parcel: Parcel): Promise<void> {
  const content = {
    edus: [...parcel.lists, ...parcel.edus.map(({ edu }) => parseJson(edu)), ...parcel.passing.map(([, edu]) => edu)],
    origin: app.serverName,
    origin_server_ts: app.clock.now(),
    pdus: parcel.pdus,
  }
  const uri = federationPath`/v1/send/${txnId}`
  await askServer(app, server, { method: 'PUT', uri, content, timeoutMs: TIMEOUT_MS, signal: state.stopping.signal })
}

async function delivered(app: App, state: State, destination: Destination, parcel: Parcel): Promise<void> {
  const { edus, passing, position } = parcel
  app.live.destinations.sent(destination.server, passing)
  moveTo(app, state, destination, position)
  if (destination.pace.failures > 0) destination.farBehind = undefined
  destination.pace.recover()
  destination.refusals = 0
  destination.size = PDUS_MAX
  if (edus.length > 0) await write(app, { guards: [], writes: [dropEdus(edus.map(({ id }) => id))], log: [] })
}

/**
 * A server that cannot be reached, or says that it cannot now, is asked again later. One that refuses a transaction
 * gets smaller ones, until the one item that it does not take is found and left out.
 */
async function failed(
  app: App,
  state: State,
  destination: Destination,
  parcel: Parcel,
  error: Unreachable | Refused,
): Promise<boolean> {
  if (state.stopped) return false
  const refused = error instanceof Refused && (error.status === 400 || error.status === 413)
  if (refused && destination.size > 1) {
    destination.size = Math.max(1, Math.floor(destination.size / 2))
    return true
  }
  if (refused && ++destination.refusals >= REFUSALS_MAX) {
    app.log.error({ server: destination.server, position: parcel.position, err: error }, 'an item is left out')
    await delivered(app, state, destination, parcel)
    return true
  }
  const pause = destination.pace.pause()
  keepSoon(app, state, destination)
  const level = destination.pace.failures === 1 ? 'info' : 'debug'
  app.log[level]({ server: destination.server, pause, reason: error.message }, 'a server is left alone for a while')
  return false
}

function moveTo(app: App, state: State, destination: Destination, position: number): void {
  if (position <= destination.position) return
  destination.position = position
  keepSoon(app, state, destination)
}

function keepSoon(app: App, state: State, destination: Destination): void {
  destination.changed = true
  if (state.stopped) return
  state.cancelKeep ??= app.timers.after(KEEP_MS, () => {
    state.cancelKeep = undefined
    keep(app, state).catch((error: unknown) => app.log.warn({ err: error }, 'how far servers were told was not kept'))
  })
}

async function keep(app: App, state: State): Promise<void> {
  const changed = [...state.byServer.values()].filter((destination) => destination.changed)
  if (changed.length === 0) return
  for (const destination of changed) destination.changed = false
  const writes = changed.map(({ server, position, pace: { failures, retryAt } }) =>
    keepDestination({ server, position, failures, retry_at: retryAt === 0 ? null : retryAt }),
  )
  await write(app, { guards: state.lease.guards(), writes, log: [] })
}
