import type { App } from '../../app.ts'
import { serverNameOf } from '../../core/ids.ts'
import { canonicalJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { LogRow } from '../../db/database.ts'
import { logPosition, type Sql } from '../../db/sql.ts'
import { threadOf } from '../../store/events.ts'
import { receiptOf, setReceipt } from '../../store/receipts.ts'
import { roomByNumber } from '../../store/rooms.ts'
import { tellRoom } from '../federation/tell-servers.ts'
import { write } from '../write.ts'

/** An event as a receipt names it. */
export interface ReadEvent {
  readonly event: number
  readonly event_id: string
  readonly topo: number
}

export interface ReceiptWish {
  readonly type: 'm.read' | 'm.read.private'
  readonly read: ReadEvent
  /** The root of the thread that was read, or `main`; undefined: the whole room was. */
  readonly thread: string | undefined
}

/** The receipt of what lies outside of threads. */
const MAIN = 'main'

/**
 * Marks what the user has read in a room (Client-Server API, "Receipts"). Receipts never go back: those for earlier
 * events change nothing. Errors: M_INVALID_PARAM for an event that is not in the thread named.
 */
export async function setReceipts(
  app: App,
  userId: string,
  room: number,
  wishes: readonly ReceiptWish[],
): Promise<void> {
  const writes: Sql[] = []
  const log: LogRow[] = []
  for (const { type, read, thread } of wishes) {
    if (thread !== undefined) await checkThread(app, read, thread)
    const before = await receiptOf(app.db, { room, userId, type, thread: thread ?? '' })
    if (before !== undefined && !isAfter(read, before)) continue
    const data = canonicalJson({ ts: app.clock.now(), ...(thread === undefined ? {} : { thread_id: thread }) })
    const receipt = { room, userId, type, thread: thread ?? '', eventId: read.event_id, event: read.event, data }
    writes.push(setReceipt(receipt, logPosition(log.length)))
    // Everybody in the room hears of a public receipt, and only the user of a private one.
    log.push({ kind: 'receipt', room, user: type === 'm.read' ? null : userId, subject: userId })
  }
  if (log.length === 0) return
  await write(app, { guards: [], writes, log })
  if (serverNameOf(userId) === app.serverName) await tellOthers(app, userId, room, wishes)
}

/** Other servers hear of public receipts. */
async function tellOthers(app: App, userId: string, room: number, wishes: readonly ReceiptWish[]): Promise<void> {
  const roomId = (await roomByNumber(app.db, room))?.room_id ?? ''
  for (const { type, read, thread } of wishes) {
    if (type !== 'm.read') continue
    const data = { ts: app.clock.now(), ...(thread === undefined ? {} : { thread_id: thread }) }
    const content = { [roomId]: { 'm.read': { [userId]: { data, event_ids: [read.event_id] } } } }
    await tellRoom(app, room, { key: `receipt ${room} ${userId} ${thread ?? ''}`, type: 'm.receipt', content })
  }
}

async function checkThread(app: App, read: ReadEvent, thread: string): Promise<void> {
  const actual = (await threadOf(app.db, read.event)) ?? MAIN
  // A root is the last event of the main timeline that belongs to its thread: clients name either.
  if (actual !== thread && !(actual === MAIN && thread === read.event_id))
    throw new MatrixError('M_INVALID_PARAM', 'The event is not in the thread of thread_id.')
}

function isAfter(a: Pick<ReadEvent, 'topo' | 'event'>, b: Pick<ReadEvent, 'topo' | 'event'>): boolean {
  return a.topo > b.topo || (a.topo === b.topo && a.event > b.event)
}
