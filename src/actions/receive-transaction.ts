import type { App } from '../app.ts'
import { parseEvent } from '../core/event.ts'
import { type RoomId, type ServerName, serverNameOf } from '../core/ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { roomVersion } from '../core/room-version.ts'
import { serverAllowed } from '../core/server-acl.ts'
import type { Sql } from '../db/sql.ts'
import { answerToTransaction, keepAnswer, transactionIsNewOf } from '../store/federation-inbox.ts'
import { knownInHistory, stagePdu } from '../store/pdus.ts'
import { serverIsIn } from '../store/room-servers.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'
import { currentAuthRows } from '../store/state.ts'
import { receiveEdu } from './receive-edu.ts'
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
 * that. A bad one harms none of the others.
 */
export async function receiveTransaction(app: App, transaction: Transaction): Promise<string> {
  const { origin, txnId } = transaction
  app.live.destinations.wake(origin)
  const before = await answerToTransaction(app.db, origin, txnId)
  if (before !== undefined) return before
  const results: [string, JsonObject][] = []
  const writes: Sql[] = []
  const rooms = new Set<RoomId>()
  for (const pdu of transaction.pdus) {
    const staged = await stage(app, origin, pdu)
    if (staged.eventId !== '') results.push([staged.eventId, staged.error === undefined ? {} : { error: staged.error }])
    if (staged.write !== undefined) writes.push(staged.write)
    if (staged.roomId !== undefined) rooms.add(staged.roomId)
  }
  const answer = canonicalJson({ pdus: Object.fromEntries(results) })
  const done = await write(app, {
    guards: [transactionIsNewOf(origin, txnId)],
    writes: [...writes, keepAnswer(origin, txnId, answer, app.clock.now())],
    log: [],
  })
  if (done === undefined) return (await answerToTransaction(app.db, origin, txnId)) ?? answer
  for (const roomId of rooms) startInbox(app, roomId)
  for (const edu of transaction.edus) {
    await receiveEdu(app, origin, edu).catch((error: unknown) => app.log.info({ origin, err: error }, 'an EDU failed'))
  }
  return answer
}

/** Begins to take in what is staged for the room, unless that is under way. */
export function startInbox(app: App, roomId: RoomId): void {
  void app.live.inbox.run(roomId, () => takeInStaged(app, roomId))
}

interface Staged {
  readonly eventId: string
  readonly error?: string
  readonly write?: Sql
  readonly roomId?: RoomId
}

async function stage(app: App, origin: ServerName, pdu: JsonValue): Promise<Staged> {
  let eventId = ''
  try {
    const room = await roomOf(app, pdu)
    const version = roomVersion(room?.version ?? '')
    if (room === undefined || version === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known here.')
    eventId = parseEvent(version, pdu as JsonObject).eventId
    await checkServer(app, room, origin)
    await checkServer(app, room, serverNameOf(String(own(pdu as JsonObject, 'sender'))))
    const event = await verifyPdu(app, version, pdu)
    if ((await knownInHistory(app.db, [event.eventId])).size > 0) return { eventId }
    const text = canonicalJson(event.pdu)
    const id = await app.db.nextId('staged')
    return { eventId, roomId: room.room_id, write: stagePdu(id, room.room_id, eventId, origin, text, app.clock.now()) }
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    app.log.info({ origin, event: eventId, reason: error.message }, 'a PDU was refused')
    return { eventId, error: error.message }
  }
}

async function roomOf(app: App, pdu: JsonValue): Promise<RoomRow | undefined> {
  const roomId = isObject(pdu) ? own(pdu, 'room_id') : undefined
  const room = typeof roomId === 'string' ? await roomById(app.db, roomId) : undefined
  return room !== undefined && (await serverIsIn(app.db, room.room, app.serverName)) ? room : undefined
}

async function checkServer(app: App, room: RoomRow, server: ServerName): Promise<void> {
  const [acl] = await currentAuthRows(app.db, room.room, [['m.room.server_acl', '']])
  const content = acl === undefined ? undefined : (parseJson(acl.content) as JsonObject)
  if (!serverAllowed(content, server)) throw new MatrixError('M_FORBIDDEN', `The room is closed to ${server}.`)
}
