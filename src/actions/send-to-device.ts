import type { App } from '../app.ts'
import { canonicalJson, isObject, type JsonObject } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { logPosition } from '../db/sql.ts'
import { devicesOfUsers } from '../store/devices.ts'
import { deleteToDevice, insertToDevice, type ToDeviceMessage } from '../store/to-device.ts'
import { type ClientTransaction, insertTransaction, transactionIsNew, transactionKnown } from '../store/transactions.ts'
import { write } from './write.ts'

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
 * Leaves messages for devices of this server's users, until they fetch them by `/sync`. Whom it does not know gets
 * none. Errors: M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE.
 */
export async function sendToDevice(app: App, sending: ToDeviceSending): Promise<void> {
  const wanted = readMessages(sending)
  if (await transactionKnown(app.db, sending.transaction)) return
  const messages = await addressed(app, sending, wanted)
  const writes = messages.map((message, index) => insertToDevice(message, logPosition(index)))
  await write(app, {
    guards: [transactionIsNew(sending.transaction)],
    writes: [...writes, insertTransaction(sending.transaction, null, app.clock.now())],
    log: messages.map(({ userId, deviceId }) => ({ kind: 'to_device', user: userId, device: deviceId })),
  })
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

function readMessages({ type, messages }: ToDeviceSending): Messages {
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

async function addressed(app: App, sending: ToDeviceSending, wanted: Messages): Promise<ToDeviceMessage[]> {
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
