import type { App } from '../../app.ts'
import { isServerName, type ServerName, serverNameOf } from '../../core/ids.ts'
import { canonicalJson, isObject, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { LogRow } from '../../db/database.ts'
import { logPosition, type Sql } from '../../db/sql.ts'
import { devicesOfUsers } from '../../store/devices.ts'
import { keepMessageId, messageIsNew } from '../../store/federation-inbox.ts'
import { OUTBOUND_EDU, queueEdu } from '../../store/federation-outbox.ts'
import { deleteToDevice, insertToDevice, type ToDeviceMessage } from '../../store/to-device.ts'
import {
  type ClientTransaction,
  insertTransaction,
  transactionIsNew,
  transactionKnown,
} from '../../store/transactions.ts'
import { write } from '../write.ts'

export interface ToDeviceSending {
  readonly sender: string
  readonly type: string
  /** By user and device; the device `*` stands for all of the user's. */
  readonly messages: JsonObject
  /** Sent again, it is sent once. */
  readonly transaction: ClientTransaction
}

/** Devices that one request may reach. */
const MAX_DEVICES = 1_000
const MAX_CONTENT_BYTES = 65_536
const MAX_TYPE_BYTES = 255
const ALL_DEVICES = '*'

/**
 * Leaves messages for devices of this server's users, until they fetch them by `/sync`, and for the servers of others.
 * Whom it does not know gets none. Errors: M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE.
 */
export async function sendToDevice(app: App, sending: ToDeviceSending): Promise<void> {
  const wanted = readMessages(sending)
  if (await transactionKnown(app.db, sending.transaction)) return
  const messages = await addressed(app, sending, wanted)
  const local = leave(messages)
  const remote = await forOtherServers(app, sending, wanted)
  await write(app, {
    guards: [transactionIsNew(sending.transaction)],
    writes: [...local.writes, ...remote.writes, insertTransaction(sending.transaction, null, app.clock.now())],
    log: [...local.log, ...remote.log],
  })
}

export interface ReceivedToDevice {
  readonly origin: ServerName
  /** Names the message at its server, which may send it again. */
  readonly messageId: string
  readonly sender: string
  readonly type: string
  readonly messages: JsonObject
}

/** The same for messages that another server brings, each once. Errors: those of `sendToDevice`. */
export async function receiveToDevice(app: App, received: ReceivedToDevice): Promise<void> {
  const messages = await addressed(app, received, readMessages(received))
  const { writes, log } = leave(messages)
  const { origin, messageId } = received
  await write(app, {
    guards: [messageIsNew(origin, messageId)],
    writes: [...writes, keepMessageId(origin, messageId, app.clock.now())],
    log,
  })
}

function leave(messages: readonly ToDeviceMessage[]): { writes: Sql[]; log: LogRow[] } {
  return {
    writes: messages.map((message, index) => insertToDevice(message, logPosition(index))),
    log: messages.map(({ userId, deviceId }) => ({ kind: 'to_device', user: userId, device: deviceId })),
  }
}

/** One EDU a user of another server, so that none grows over what a transaction may hold. */
async function forOtherServers(
  app: App,
  { sender, type }: ToDeviceSending,
  wanted: Messages,
): Promise<{ writes: Sql[]; log: LogRow[] }> {
  const writes: Sql[] = []
  const log: LogRow[] = []
  for (const [userId, devices] of wanted) {
    const server = serverNameOf(userId)
    if (server === app.serverName || !isServerName(server) || devices.size === 0) continue
    const contents = [...devices].map(([deviceId, content]) => `${JSON.stringify(deviceId)}:${content}`)
    const id = await app.db.nextId('edu')
    const head = JSON.stringify({ message_id: `${app.live.boot}-${id}`, sender, type })
    const content = `${head.slice(0, -1)},"messages":{${JSON.stringify(userId)}:{${contents.join(',')}}}}`
    writes.push(queueEdu(id, server, `{"content":${content},"edu_type":"m.direct_to_device"}`))
    log.push({ kind: OUTBOUND_EDU, subject: server })
  }
  return { writes, log }
}

/** The device has got its messages up to the position: it came back with the token of the answer that held them. */
export async function forgetToDevice(
  app: App,
  device: { readonly userId: string; readonly deviceId: string },
  upTo: number,
): Promise<void> {
  await write(app, { guards: [], writes: [deleteToDevice(device, upTo)], log: [] })
}

/** Contents as JSON text, by user and device. */
type Messages = ReadonlyMap<string, ReadonlyMap<string, string>>

function readMessages({ type, messages }: Pick<ToDeviceSending, 'type' | 'messages'>): Messages {
  if (Buffer.byteLength(type) > MAX_TYPE_BYTES) throw new MatrixError('M_INVALID_PARAM', 'The type is too long.')
  const users = Object.entries(messages).map(([userId, devices]) => {
    if (!isObject(devices)) throw new MatrixError('M_BAD_JSON', 'messages holds an object of devices for each user.')
    return [userId, new Map(Object.entries(devices).map(([deviceId, content]) => [deviceId, textOf(content)]))] as const
  })
  return new Map(users)
}

function textOf(content: unknown): string {
  if (!isObject(content as JsonObject)) throw new MatrixError('M_BAD_JSON', 'A message is a JSON object.')
  const text = canonicalJson(content as JsonObject)
  if (Buffer.byteLength(text) > MAX_CONTENT_BYTES) throw new MatrixError('M_TOO_LARGE', 'A message is too large.')
  return text
}

async function addressed(
  app: App,
  sending: Pick<ToDeviceSending, 'sender' | 'type'>,
  wanted: Messages,
): Promise<ToDeviceMessage[]> {
  const devices = wanted.size === 0 ? [] : await devicesOfUsers(app.db, [...wanted.keys()], MAX_DEVICES + 1)
  const messages = devices.flatMap(({ user_id: userId, device_id: deviceId }) => {
    const contents = wanted.get(userId)
    const content = contents?.get(deviceId) ?? contents?.get(ALL_DEVICES)
    return content === undefined ? [] : [{ userId, deviceId, sender: sending.sender, type: sending.type, content }]
  })
  if (devices.length > MAX_DEVICES)
    throw new MatrixError('M_TOO_LARGE', `One request may reach users of ${MAX_DEVICES} devices.`)
  return messages
}
