import type { App } from '../app.ts'
import { parseEvent } from '../core/event.ts'
import { type RoomId, type ServerName, serverNameOf } from '../core/ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type RoomVersion, roomVersion } from '../core/room-version.ts'
import { DatabaseUnavailable } from '../db/database.ts'
import type { Sql } from '../db/sql.ts'
import { answerToTransaction, keepAnswer, transactionIsNewOf } from '../store/federation-inbox.ts'
import { knownInHistory, stagePdu } from '../store/pdus.ts'
import { serverIsIn } from '../store/room-servers.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'
import { serverAclOf } from '../store/server-acl.ts'
import { isLasting, receiveEdu } from './receive-edu.ts'
import { receiveOutside } from './receive-outside.ts'
import { takeInStaged } from './receive-pdus.ts'
import { verifyPdu } from './verify-pdu.ts'
import { write } from './write.ts'

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
  const results: [string, JsonObject][] = []
  const writes: Sql[] = []
  const touched = new Set<RoomId>()
  const rooms = new Map<string, Promise<OpenRoom | undefined>>()
  for (const pdu of transaction.pdus) {
    const staged = await stage(app, origin, pdu, rooms)
    if (staged.eventId !== '') results.push([staged.eventId, staged.error === undefined ? {} : { error: staged.error }])
    if (staged.write !== undefined) writes.push(staged.write)
    if (staged.roomId !== undefined) touched.add(staged.roomId)
  }
  // Before the answer is kept, or a crash would lose them. Taken in twice, they change nothing.
  for (const edu of transaction.edus) if (isLasting(edu)) await takeInEdu(app, origin, edu)
  const answer = canonicalJson({ pdus: Object.fromEntries(results) })
  const done = await write(app, {
    guards: [transactionIsNewOf(origin, txnId)],
    writes: [...writes, keepAnswer(origin, txnId, answer, app.clock.now())],
    log: [],
  })
  if (done === undefined) return (await answerToTransaction(app.db, origin, txnId)) ?? answer
  const placed = Promise.all([...touched].map((roomId) => startInbox(app, roomId)))
  const takeInOthers = async () => {
    for (const edu of transaction.edus) if (!isLasting(edu)) await takeInEdu(app, origin, edu)
  }
  if (touched.size === 0) await takeInOthers()
  else void app.live.inbox.run(`${origin} ${txnId}`, () => placed.then(takeInOthers))
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

/** Begins to take in what is staged for the room, unless that is under way. Resolves when nothing of it is left. */
export function startInbox(app: App, roomId: RoomId): Promise<void> {
  return app.live.inbox.run(roomId, () => takeInStaged(app, roomId))
}

interface Staged {
  readonly eventId: string
  readonly error?: string
  readonly write?: Sql
  readonly roomId?: RoomId
}

/** A room that this server is in, and whom it lets take part. */
interface OpenRoom {
  readonly row: RoomRow
  readonly version: RoomVersion
  readonly allows: (server: ServerName) => boolean
}

/** `rooms`: those that the transaction has named before. */
async function stage(
  app: App,
  origin: ServerName,
  pdu: JsonValue,
  rooms: Map<string, Promise<OpenRoom | undefined>>,
): Promise<Staged> {
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
    eventId = parseEvent(room.version, pdu as JsonObject).eventId
    for (const server of [origin, serverNameOf(String(own(pdu as JsonObject, 'sender')))]) {
      if (!room.allows(server)) throw new MatrixError('M_FORBIDDEN', `The room is closed to ${server}.`)
    }
    const event = await verifyPdu(app, room.version, pdu)
    if ((await knownInHistory(app.db, [event.eventId])).size > 0) return { eventId }
    const { room_id: id } = room.row
    const text = canonicalJson(event.pdu)
    const number = await app.db.nextId('staged')
    return { eventId, roomId: id, write: stagePdu(number, id, eventId, origin, text, app.clock.now()) }
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
