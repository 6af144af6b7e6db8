import type { App } from '../../app.ts'
import type { LongText } from '../../core/long-text.ts'
import { breathe } from '../../live/time.ts'
import { type RoomOfUser, roomsHeardBy, roomsOfDevice } from '../../store/memberships.ts'
import { checkStillIn } from '../still-in.ts'
import { readSyncToken } from '../tokens.ts'
import { answer } from './answer.ts'
import { PEEK, type SyncRequest } from './scope.ts'

export type { SyncRequest } from './scope.ts'

/** Longest wait, whatever the client asks for. */
const MAX_TIMEOUT_MS = 120_000
/** Reading more rooms than these is work enough for one turn of the loop. */
const MANY_ROOMS = 200

/**
 * What changed for the user since the token; waits for news up to the timeout (`GET /sync`). Equal requests of a
 * device at the same time get one answer. Errors: M_INVALID_PARAM, and those of `checkStillIn`.
 */
export function sync(app: App, request: SyncRequest): Promise<LongText> {
  const { viewer, since, filterText, fullState, stateAfterKey, timeoutMs } = request
  const key = [viewer.userId, viewer.deviceId, since, filterText, fullState, stateAfterKey, timeoutMs]
  return app.live.syncs.run(JSON.stringify(key), request.signal, (signal) => pollOnce(app, { ...request, signal }))
}

async function pollOnce(app: App, request: SyncRequest): Promise<LongText> {
  const token = request.since === undefined ? undefined : readSyncToken(request.since)
  const since = Math.min(token?.position ?? 0, app.db.safePosition())
  const initial = token === undefined
  const wholeAnswer = initial || request.fullState
  const leftAfter = wholeAnswer && request.filter.room.includeLeave ? -1 : initial ? Number.MAX_SAFE_INTEGER : since
  const deadline = app.clock.monotonic() + Math.min(Math.max(request.timeoutMs, 0), MAX_TIMEOUT_MS)
  const { userId, deviceId } = request.viewer
  for (let woken = false; ; woken = true) {
    const to = app.db.safePosition()
    // What woke it may be the end of the session: then it is no news for whoever has the device.
    if (woken) await checkStillIn(app, request.viewer)
    // As of now, so that the token says exactly what was told.
    const typing = app.live.typing.changesSince(token?.boot === app.live.boot ? token.live : 0)
    const nothingHappened = to === since && typing.lists.size === 0 && !wholeAnswer
    const rooms = nothingHappened ? [] : await roomsOfDevice(app.db, request.viewer, leftAfter)
    if (rooms.length > MANY_ROOMS) await breathe()
    const { news, json } = await answer(app, request, { token, since, to, initial, typing }, rooms)
    const timeoutMs = deadline - app.clock.monotonic()
    if (news || wholeAnswer || timeoutMs <= 0) return json
    if (!woken) await checkStillIn(app, request.viewer)
    const heard = nothingHappened ? await roomsHeardBy(app.db, request.viewer) : heardIn(rooms)
    // Typing has no row in the log that the waiter could find afterwards: no pause from here to its wait.
    const typedSince = app.live.typing.changesSince(typing.serial)
    if ([...typedSince.lists.keys()].some((room) => heard.has(room))) continue
    const wait = { userId, deviceId, rooms: heard, since: to, timeoutMs, signal: request.signal }
    if (!(await app.live.waiters.wait(wait))) return json
  }
}

function heardIn(rooms: readonly RoomOfUser[]): Set<number> {
  const heard = rooms.filter(({ membership }) => membership === 'join' || membership === PEEK)
  return new Set(heard.map((room) => room.room))
}
