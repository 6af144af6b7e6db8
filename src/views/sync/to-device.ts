import { type ToDeviceRow, waitingToDevice } from '../../store/to-device.ts'
import type { Scope } from './scope.ts'

/** Messages in one answer; the rest waits for the next one. */
const MAX_MESSAGES = 100

export interface ToDevice {
  readonly texts: readonly string[]
  /** Up to where the messages were handed over; undefined: there were none. */
  readonly upTo: number | undefined
}

/** Messages to the device that it does not have yet (Client-Server API, "Send-to-Device messaging"). */
export async function readToDevice(
  scope: Pick<Scope, 'app' | 'request' | 'token' | 'since' | 'to' | 'news'>,
): Promise<ToDevice> {
  const { app, request, token, since, to, news } = scope
  const after = Math.min(token?.toDevice ?? since, since)
  const rest = after < since
  const arrived = news === undefined || news.get(null)?.has('to_device') === true
  if (!rest && !arrived) return { texts: [], upTo: undefined }
  const rows = await waitingToDevice(app.db, request.viewer, after, to, MAX_MESSAGES + 1)
  const shown = rows.slice(0, MAX_MESSAGES)
  const upTo = rows.length > MAX_MESSAGES ? shown.at(-1)?.position : rows.length > 0 ? to : undefined
  return { texts: shown.map(toDeviceText), upTo }
}

export function toDeviceText({ sender, type, content }: ToDeviceRow): string {
  return `{"sender":${JSON.stringify(sender)},"type":${JSON.stringify(type)},"content":${content}}`
}
