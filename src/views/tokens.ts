import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type HistoryPlace, placeAfterPosition } from '../store/events.ts'

/** Tokens are opaque to clients: `s` is a position of the log, `t` a place in the history of one room. */
const SYNC_TOKEN = /^s(\d{1,16})_([A-Za-z0-9-]{0,40})\.(\d{1,16})(?:\.(\d{1,16}))?$/
const PLACE_TOKEN = /^t(\d{1,16})_(\d{1,16})$/

/** How far a client has come. */
export interface SyncToken {
  readonly position: number
  /** Which start of which process counted `live`. */
  readonly boot: string
  /** Changes of what lives in memory alone, such as typing. */
  readonly live: number
  /** The last to-device message handed over, if the answer carried some: the client has it when it shows the token. */
  readonly toDevice: number | undefined
}

export function syncToken(app: App, position: number, live = 0, toDevice?: number): string {
  return `s${position}_${app.live.boot}.${live}${toDevice === undefined ? '' : `.${toDevice}`}`
}

/** Errors: M_INVALID_PARAM when it is no token of a sync. */
export function readSyncToken(token: string): SyncToken {
  const match = SYNC_TOKEN.exec(token)
  if (match === null) throw new MatrixError('M_INVALID_PARAM', 'The token is not one of this server.')
  const [, position, boot, live, toDevice] = match
  return {
    position: Number(position),
    boot: boot ?? '',
    live: Number(live),
    toDevice: toDevice === undefined ? undefined : Number(toDevice),
  }
}

/** The position in a sync token. Errors: M_INVALID_PARAM when it is none. */
export function positionOf(token: string): number {
  return readSyncToken(token).position
}

export function placeToken(place: HistoryPlace): string {
  return `t${place.topo}_${place.event}`
}

/** The place that a token of either kind names in the room's history. Errors: M_INVALID_PARAM. */
export async function placeOf(app: App, room: number, token: string): Promise<HistoryPlace> {
  const match = PLACE_TOKEN.exec(token)
  if (match === null) return placeAfterPosition(app.db, room, positionOf(token))
  return { topo: Number(match[1]), event: Number(match[2]) }
}
