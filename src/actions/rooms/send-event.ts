import type { App } from '../../app.ts'
import { type EventId, isEventId, type UserId } from '../../core/ids.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { relationOf } from '../../core/relations.ts'
import type { RoomRow } from '../../store/rooms.ts'
import {
  type ClientTransaction,
  eventOfTransaction,
  insertTransaction,
  roomAndSent,
  transactionIsNew,
  transactionName,
} from '../../store/transactions.ts'
import { append } from '../append.ts'
import { checkRelation } from './check-relation.ts'
import type { RoomWriter } from './room-writer.ts'

export interface Sending {
  readonly roomId: string
  readonly sender: UserId
  readonly type: string
  readonly stateKey: string | null
  readonly content: JsonObject
  readonly redacts?: EventId
  /** When it was sent, as an application service says. */
  readonly originServerTs?: number | undefined
  /** The client's transaction: sent again, it gives the first event's id. */
  readonly transaction?: ClientTransaction | undefined
}

/**
 * Sends one event as a local user and resolves with its id once it is durable. A state event equal to the current one
 * is not sent again. Errors: M_FORBIDDEN, M_NOT_FOUND, M_TOO_LARGE, M_BAD_JSON, and those of `checkRelation`.
 */
export async function sendEvent(app: App, sending: Sending): Promise<EventId> {
  const { transaction } = sending
  if (transaction === undefined) return send(app, sending)
  return app.live.sending.run(transactionName(transaction), async () => {
    // Asked before the room is entered: nobody in it waits for the answer.
    const { room, sent } = await roomAndSent(app.db, transaction)
    return sent ?? send(app, sending, room)
  })
}

async function send(app: App, sending: Sending, room?: RoomRow): Promise<EventId> {
  const { transaction } = sending
  let known: EventId | undefined
  let tries = 0
  const compose = async (writer: RoomWriter) => {
    tries++
    known = await sameState(sending, writer)
    // The last try may have failed because another process took the transaction first.
    if (transaction !== undefined && tries > 1) known ??= await sentAs(app, transaction)
    if (known !== undefined) return
    if (sending.stateKey === null) await checkRelation(app, writer, sending)
    const event = await writer.add(sending.type === 'm.room.redaction' ? redactionOf(sending) : sending)
    if (transaction === undefined) return
    const writes = [insertTransaction(transaction, event.eventId, app.clock.now())]
    writer.also({ writes, guards: [transactionIsNew(transaction)] })
  }
  const events = await inTurn(app, sending, () => append(app, sending.roomId, compose, { room }))
  return known ?? events[0]!.eventId
}

/**
 * A reaction waits until the one before it, of its sender to its event, is durable: else both would pass the check.
 * Other processes are kept off by the heads of the room.
 */
function inTurn<T>(app: App, { sender, type, content }: Sending, work: () => Promise<T>): Promise<T> {
  const { relType, eventId } = relationOf(content)
  return relType === 'm.annotation' ? app.live.reactions.run(`${sender} ${type} ${eventId}`, work) : work()
}

/** Clients may name the event in `content` in every room version; where it travels is for the version to say. */
function redactionOf(sending: Sending): Sending {
  const { redacts: inContent, ...content } = sending.content
  const redacts = sending.redacts ?? inContent
  if (typeof redacts !== 'string' || !isEventId(redacts))
    throw new MatrixError('M_BAD_JSON', 'A redaction names in redacts the event that it is about.')
  return { ...sending, content, redacts }
}

/** The current state event, if this sending would repeat it. */
async function sameState(sending: Sending, writer: RoomWriter): Promise<EventId | undefined> {
  if (sending.stateKey === null) return undefined
  const current = (await writer.state(sending.type, sending.stateKey))?.value
  const same = current?.sender === sending.sender && canonicalJson(current.content) === canonicalJson(sending.content)
  return same ? current.eventId : undefined
}

async function sentAs(app: App, transaction: ClientTransaction): Promise<EventId | undefined> {
  return (await eventOfTransaction(app.db, transaction)) as EventId | undefined
}
