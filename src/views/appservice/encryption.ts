import type { App } from '../../app.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import { DEVICE_LIST, membersToKnow } from '../../store/device-lists.ts'
import { keyCounts, ONE_TIME_KEYS } from '../../store/one-time-keys.ts'
import { shownCounts } from '../key-counts.ts'
import { known, type LogStretch } from './ephemeral.ts'
import type { Reader } from './transaction.ts'

/**
 * What the encryption of its users needs (MSC3202), as parts of a transaction: lists of devices that changed, and how
 * many one-time keys are left to those devices that were written to, or whose keys were claimed or came.
 */
export async function encryptionNews(app: App, reader: Reader, stretch: LogStretch): Promise<string[]> {
  const lists = await listNews(app, reader, stretch)
  const counts = await countNews(app, reader, stretch)
  const parts = [
    ['device_lists', lists],
    ['device_one_time_keys_count', counts?.oneTime],
    ['device_unused_fallback_key_types', counts?.fallback],
  ] as const
  return parts.flatMap(([name, value]) =>
    value === undefined ? [] : [`"org.matrix.msc3202.${name}":${JSON.stringify(value)}`],
  )
}

/** Whose devices have to be asked for anew, and whose may be forgotten. */
async function listNews(app: App, reader: Reader, { rows, to }: LogStretch) {
  const { appservice, interest } = reader
  const told = new Set<string>()
  const moved = new Set<string>()
  const entered = new Set<number>()
  const changed: string[] = []
  for (const { kind, room, user_id: userId, subject } of rows) {
    if (kind === DEVICE_LIST && userId !== null && appservice.hasUser(userId)) told.add(subject ?? '')
    if (kind === DEVICE_LIST && userId === null) changed.push(subject ?? '')
    if (room === null) continue
    if (kind === MEMBERS_KNOWN) entered.add(room)
    if (kind !== 'event' && kind !== 'membership') continue
    if (userId !== null && appservice.hasUser(userId)) entered.add(room)
    else if (userId !== null && (await interest.isIn(room, to))) moved.add(userId)
  }
  // Where one of its users came or went, everybody in the room is met, or not: there are few such steps.
  for (const room of entered) for (const row of await membersToKnow(app.db, [room])) moved.add(row.user_id)
  const near = new Set(await known(app, reader, [...new Set([...changed, ...moved])], to))
  for (const userId of near) told.add(userId)
  const left = [...moved].filter((userId) => !near.has(userId) && !told.has(userId))
  return told.size + left.length === 0 ? undefined : { changed: [...told], left }
}

async function countNews(app: App, { appservice }: Reader, { rows }: LogStretch) {
  const devices = new Map<string, { userId: string; deviceId: string }>()
  for (const { kind, user_id: userId, device_id: deviceId } of rows) {
    if (kind !== ONE_TIME_KEYS && kind !== 'to_device') continue
    if (userId === null || deviceId === null || !appservice.hasUser(userId)) continue
    devices.set(`${userId} ${deviceId}`, { userId, deviceId })
  }
  if (devices.size === 0) return undefined
  const oneTime: Record<string, Record<string, unknown>> = {}
  const fallback: Record<string, Record<string, unknown>> = {}
  for (const { userId, deviceId } of devices.values()) {
    const counts = await keyCounts(app.db, { userId, deviceId })
    oneTime[userId] = { ...oneTime[userId], [deviceId]: shownCounts(counts) }
    fallback[userId] = { ...fallback[userId], [deviceId]: counts.unusedFallback }
  }
  return { oneTime, fallback }
}
