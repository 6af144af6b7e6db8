import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { dehydratedDevice } from '../store/dehydrated-devices.ts'
import { waitingToDevice } from '../store/to-device.ts'
import { toDeviceText } from './sync/to-device.ts'

/** Messages in one answer. */
const PAGE = 100

/** The user's dehydrated device as JSON text. Errors: M_NOT_FOUND. */
export async function shownDehydrated(app: App, userId: string): Promise<string> {
  const device = await dehydratedDevice(app.db, userId)
  if (device === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no dehydrated device.')
  return `{"device_id":${JSON.stringify(device.device_id)},"device_data":${device.device_data}}`
}

export interface DehydratedEvents {
  readonly texts: readonly string[]
  /** Where the next page begins. */
  readonly next: string
  /** Whether there is more already. */
  readonly more: boolean
}

/**
 * A page of the messages to the user's dehydrated device. They stay until the device is replaced or deleted: who reads
 * them may fail halfway. Errors: M_NOT_FOUND, M_INVALID_PARAM.
 */
export async function dehydratedEvents(
  app: App,
  userId: string,
  deviceId: string,
  from: string | undefined,
): Promise<DehydratedEvents> {
  if (from !== undefined && !/^\d{1,15}$/.test(from))
    throw new MatrixError('M_INVALID_PARAM', 'This is not a token of this server.')
  if ((await dehydratedDevice(app.db, userId))?.device_id !== deviceId)
    throw new MatrixError('M_NOT_FOUND', 'This is not the dehydrated device.')
  const after = Number(from ?? 0)
  const rows = await waitingToDevice(app.db, { userId, deviceId }, after, app.db.safePosition(), PAGE + 1)
  const shown = rows.slice(0, PAGE)
  return { texts: shown.map(toDeviceText), next: `${shown.at(-1)?.position ?? after}`, more: rows.length > PAGE }
}
