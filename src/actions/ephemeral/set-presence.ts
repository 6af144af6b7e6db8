import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { logPosition } from '../../db/sql.ts'
import { type PresenceRow, presenceOf, storePresence } from '../../store/presence.ts'
import { type Notice, tellNeighbours } from '../federation/tell-servers.ts'
import { write } from '../write.ts'

export type Presence = 'online' | 'unavailable' | 'offline'

const MAX_STATUS_BYTES = 2_048
/** Activity is noted so often at the most while nothing else changes: each note goes to everybody in one's rooms. */
const ACTIVITY_MS = 300_000

/** Sets what others see of the user (Client-Server API, "Presence"). Errors: M_INVALID_PARAM. */
export async function setPresence(
  app: App,
  userId: string,
  presence: Presence,
  statusMessage: string | undefined,
): Promise<void> {
  if (!presenceIsOn(app)) return
  if (Buffer.byteLength(statusMessage ?? '') > MAX_STATUS_BYTES)
    throw new MatrixError('M_INVALID_PARAM', `A status message has at most ${MAX_STATUS_BYTES} bytes.`)
  await store(app, { user_id: userId, presence, status_msg: statusMessage ?? null, last_active_ts: app.clock.now() })
}

/** The same by what the user does; the status message stays. Little is written: only what others would notice. */
export async function noticePresence(app: App, userId: string, presence: Presence): Promise<void> {
  const now = app.clock.now()
  if (!presenceIsOn(app) || app.live.presence.isKnown(userId, presence, now)) return
  const before = await presenceOf(app.db, userId)
  if (before !== undefined && before.presence === presence && now - before.last_active_ts < ACTIVITY_MS)
    return app.live.presence.found(userId, presence, now)
  await store(app, { user_id: userId, presence, status_msg: before?.status_msg ?? null, last_active_ts: now })
}

/** The user is not seen any more. Who was never seen is known to be offline from now on. */
export async function noticeAbsence(app: App, userId: string): Promise<void> {
  if (!presenceIsOn(app)) return
  const before = await presenceOf(app.db, userId)
  if (before?.presence === 'offline') return
  const { status_msg = null, last_active_ts = app.clock.now() } = before ?? {}
  await store(app, { user_id: userId, presence: 'offline', status_msg, last_active_ts })
}

/** A client that does not want to be seen says nothing of the user's other clients. */
export async function noticeHiding(app: App, userId: string): Promise<void> {
  if (!presenceIsOn(app) || (await presenceOf(app.db, userId)) !== undefined) return
  await noticeAbsence(app, userId)
}

/** Whether this server tells of its users' presence at all. */
export function presenceIsOn(app: App): boolean {
  return app.config.global.presence.enable_outbound
}

/** What another server says of its users; nobody hears of it where presence of others is switched off. */
export async function notePresence(app: App, rows: readonly PresenceRow[]): Promise<void> {
  if (!app.config.global.presence.enable_inbound) return
  const fits = rows.filter((row) => Buffer.byteLength(row.status_msg ?? '') <= MAX_STATUS_BYTES)
  if (fits.length > 0) await keep(app, fits)
}

async function store(app: App, row: PresenceRow): Promise<void> {
  await keep(app, [row])
  await tellNeighbours(app, row.user_id, presenceNotice(app, row))
}

/** What other servers are told of a user of ours. */
export function presenceNotice(app: App, row: PresenceRow): Notice {
  const { user_id: userId, presence, status_msg: status, last_active_ts: activeTs } = row
  const active = { currently_active: presence === 'online', last_active_ago: Math.max(app.clock.now() - activeTs, 0) }
  const entry = { ...active, presence, user_id: userId, ...(status === null ? {} : { status_msg: status }) }
  return { key: `presence ${userId}`, type: 'm.presence', content: { push: [entry] } }
}

async function keep(app: App, rows: readonly PresenceRow[]): Promise<void> {
  await write(app, {
    guards: [],
    writes: rows.map((row, index) => storePresence(row, logPosition(index))),
    log: rows.map((row) => ({ kind: 'presence', subject: row.user_id })),
  })
}
