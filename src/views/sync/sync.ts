import type { App } from '../../app.ts'
import type { LongText } from '../../core/long-text.ts'
import { breathe } from '../../live/time.ts'
import { type RoomOfUser, roomsHeardBy, roomsOfDevice } from '../../store/memberships.ts'
import { longPoll } from '../long-poll.ts'
import { readSyncToken } from '../tokens.ts'
import { answer } from './answer.ts'
import { PEEK, type SyncRequest } from './scope.ts'

export type { SyncRequest } from './scope.ts'

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

function pollOnce(app: App, request: SyncRequest): Promise<LongText> {
  const token = request.since === undefined ? undefined : readSyncToken(request.since)
  const since = Math.min(token?.position ?? 0, app.db.safePosition())
  const initial = token === undefined
  const wholeAnswer = initial || request.fullState
  const leftAfter = wholeAnswer && request.filter.room.includeLeave ? -1 : initial ? Number.MAX_SAFE_INTEGER : since
  // As of now, so that the token says exactly what was told.
  const poll = { ...request, typing: token?.boot === app.live.boot ? token.live : 0 }
  return longPoll(app, poll, async ({ to, typing }) => {
    const nothingHappened = to === since && typing.lists.size === 0 && !wholeAnswer
    const rooms = nothingHappened ? [] : await roomsOfDevice(app.db, request.viewer, leftAfter)
    if (rooms.length > MANY_ROOMS) await breathe()
    const { news, json } = await answer(app, request, { token, since, to, initial, typing }, rooms)
    const heard = () => (nothingHappened ? roomsHeardBy(app.db, request.viewer) : heardIn(rooms))
    return { answer: json, news: news || wholeAnswer, heard }
  })
}

function heardIn(rooms: readonly RoomOfUser[]): Set<number> {
  const heard = rooms.filter(({ membership }) => membership === 'join' || membership === PEEK)
  return new Set(heard.map((room) => room.room))
}
