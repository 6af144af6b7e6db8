import type { App } from '../../app.ts'
import { type RoomId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { canonicalJson, isObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type RoomVersion, roomVersion } from '../../core/room-version.ts'
import { DatabaseUnavailable } from '../../db/database.ts'
import type { Sql } from '../../db/sql.ts'
import { answerToTransaction, keepAnswer, transactionIsNewOf } from '../../store/federation-inbox.ts'
import { areStaged, knownInHistory, stagePdu } from '../../store/pdus.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { type RoomRow, roomById } from '../../store/rooms.ts'
import { serverAclOf } from '../../store/server-acl.ts'
import { expelGuests } from '../memberships/expel-guests.ts'
import { receiveOutside } from '../memberships/receive-outside.ts'
import { write } from '../write.ts'
import { isLasting, receiveEdu } from './receive-edu.ts'
import { takeInByAsking, takeInStaged } from './receive-pdus.ts'
import { readPdu, type VerifiedEvent, verifyEvent } from './verify-pdu.ts'

export interface Transaction {
  readonly origin: ServerName
  readonly txnId: string
  readonly pdus: readonly JsonValue[]
  readonly edus: readonly JsonValue[]
}

/**
 * Takes in a transaction of another server (Server-Server API, "Transactions") exactly once, also across restarts: the
 * PDUs that verify are durably staged when this resolves, with the answer as JSON text, and go into their rooms after
 * that. A bad one harms none of the others. EDUs about rooms are taken in after the PDUs that they came with.
 */
export async function receiveTransaction(app: App, transaction: Transaction): Promise<string> {
  const { origin, txnId } = transaction
  app.live.destinations.wake(origin)
  const before = await answerToTransaction(app.db, origin, txnId)
  if (before !== undefined) return before
  const rooms = new Map<string, Promise<OpenRoom | undefined>>()
  const checked = await Promise.all(transaction.pdus.map((pdu) => check(app, origin, pdu, rooms)))
  const fresh = await notInHistory(app, checked)
  const writes: Sql[] = []
  for (const event of fresh) {
    const [number, text] = [await app.db.nextId('staged'), canonicalJson(event.pdu)]
    writes.push(stagePdu(number, event.roomId, event.eventId, origin, text, app.clock.now()))
  }
  // Before the answer is kept, or a crash would lose them. Taken in twice, they change nothing.
  for (const edu of transaction.edus) if (isLasting(edu)) await takeInEdu(app, origin, edu)
  const answer = answerOf(checked)
  const done = await write(app, {
    guards: [transactionIsNewOf(origin, txnId)],
    writes: [...writes, keepAnswer(origin, txnId, answer, app.clock.now())],
    log: [],
  })
  if (done === undefined) return (await answerToTransaction(app.db, origin, txnId)) ?? answer
  const touched = new Set(fresh.map((event) => event.roomId))
  const takeInOthers = async () => {
    for (const edu of transaction.edus) if (!isLasting(edu)) await takeInEdu(app, origin, edu)
  }
  if (touched.size === 0) await takeInOthers()
  else void app.live.inbox.run(`${origin} ${txnId}`, () => takeIn(app, [...touched], fresh).then(takeInOthers))
  return answer
}

/** One that fails harms no other, unless nothing can be stored now: then the server sends all of it again. */
async function takeInEdu(app: App, origin: ServerName, edu: JsonValue): Promise<void> {
  try {
    await receiveEdu(app, origin, edu)
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error
    app.log.info({ origin, err: error }, 'an EDU failed')
  }
}

/** Resolves when the events are where they belong, or nobody knows where that is. */
async function takeIn(app: App, rooms: readonly RoomId[], events: readonly VerifiedEvent[]): Promise<void> {
  await Promise.all(rooms.map((roomId) => startInbox(app, roomId)))
  const ids = events.map((event) => event.eventId)
  if (await areStaged(app.db, ids)) await Promise.all(rooms.map((roomId) => app.live.inbox.ended(askingKey(roomId))))
}

/**
 * Begins to take in what is staged for the room, unless that is under way. What has to be asked for is asked for beside
 * it: a server that sends what rests on nothing, and answers late, does not hold up the room. Resolves when nothing is
 * left but that.
 */
export function startInbox(app: App, roomId: RoomId): Promise<void> {
  return app.live.inbox.run(roomId, async () => {
    const { types, lacking } = await takeInStaged(app, roomId)
    await follow(app, roomId, types)
    if (lacking) void startAsking(app, roomId)
  })
}

function startAsking(app: App, roomId: RoomId): Promise<void> {
  return app.live.inbox.run(askingKey(roomId), () =>
    takeInByAsking(app, roomId, async (types) => {
      await follow(app, roomId, types)
      // Others may rest on what has come.
      void startInbox(app, roomId)
    }),
  )
}

const askingKey = (roomId: string) => `${roomId} asking`

async function follow(app: App, roomId: RoomId, types: ReadonlySet<string>): Promise<void> {
  if (types.has('m.room.guest_access')) await expelGuests(app, roomId)
}

/** What was found of a PDU. `eventId`: '' if not even that can be read. */
interface Checked {
  readonly eventId: string
  readonly event?: VerifiedEvent
  readonly error?: string
}

function answerOf(checked: readonly Checked[]): string {
  const results = checked.flatMap(({ eventId, error }) =>
    eventId === '' ? [] : [[eventId, error === undefined ? {} : { error }] as const],
  )
  return canonicalJson({ pdus: Object.fromEntries(results) })
}

async function notInHistory(app: App, checked: readonly Checked[]): Promise<VerifiedEvent[]> {
  const events = checked.flatMap(({ event }) => event ?? [])
  const known = await knownInHistory(
    app.db,
    events.map((event) => event.eventId),
  )
  return events.filter((event) => !known.has(event.eventId))
}

/** A room that this server is in, and whom it lets take part. */
interface OpenRoom {
  readonly row: RoomRow
  readonly version: RoomVersion
  readonly allows: (server: ServerName) => boolean
}

/** `rooms`: those that the transaction has named before. The PDUs are checked side by side. */
async function check(
  app: App,
  origin: ServerName,
  pdu: JsonValue,
  rooms: Map<string, Promise<OpenRoom | undefined>>,
): Promise<Checked> {
  let eventId = ''
  try {
    const named = isObject(pdu) ? own(pdu, 'room_id') : undefined
    const roomId = typeof named === 'string' ? named : ''
    const found = rooms.get(roomId) ?? openRoom(app, roomId)
    rooms.set(roomId, found)
    const room = await found
    if (room === undefined) {
      const taken = await receiveOutside(app, origin, roomId, pdu)
      if (taken === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known here.')
      return { eventId: taken.eventId }
    }
    const event = readPdu(room.version, pdu)
    eventId = event.eventId
    for (const server of [origin, serverNameOf(event.sender)]) {
      if (!room.allows(server)) throw new MatrixError('M_FORBIDDEN', `The room is closed to ${server}.`)
    }
    return { eventId, event: await verifyEvent(app, event) }
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    app.log.info({ origin, event: eventId, reason: error.message }, 'a PDU was refused')
    return { eventId, error: error.message }
  }
}

async function openRoom(app: App, roomId: string): Promise<OpenRoom | undefined> {
  const row = await roomById(app.db, roomId)
  const version = roomVersion(row?.version ?? '')
  if (row === undefined || version === undefined) return undefined
  if (!(await serverIsIn(app.db, row.room, app.serverName))) return undefined
  return { row, version, allows: await serverAclOf(app.db, row.room) }
}
