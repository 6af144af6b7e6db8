import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { SlidingState } from '../../live/sliding-connections.ts'
import { globalAccountDataSince } from '../../store/account-data.ts'
import { type SlidingRoom, slidingRooms } from '../../store/sliding-sync.ts'
import { longPoll } from '../long-poll.ts'
import { settingsFrom, showsInvite } from '../settings.ts'
import { newsSince } from '../sync/news.ts'
import { readSyncToken, syncToken } from '../tokens.ts'
import { chooseRooms } from './choose.ts'
import { readExtensions } from './extensions.ts'
import { plansOf, stateAfter } from './plan.ts'
import type { SlidingRequest, Span } from './request.ts'
import { tellRooms } from './rooms.ts'

export type { ExtensionWish, SlidingRequest } from './request.ts'

interface Answer {
  readonly json: string
  /** Whether there is anything to tell. */
  readonly news: boolean
  readonly after: SlidingState
}

/**
 * The rooms that the client wants to know of, as far as they are new to it (MSC4186, "Simplified sliding sync"); waits
 * for news up to the timeout. Errors: M_UNKNOWN_POS when the connection is to begin anew, and those of `checkStillIn`.
 */
export async function slidingSync(app: App, request: SlidingRequest): Promise<string> {
  const base = request.pos === undefined ? undefined : baseOf(app, request.connection, request.pos)
  const poll = { ...request, typing: base?.typing ?? 0 }
  const { json, after } = await longPoll(app, poll, async ({ to, typing }) => {
    const rooms = await slidingRooms(app.db, request.viewer.userId, base?.position ?? Number.MAX_SAFE_INTEGER, to)
    const span = await spanOf({ app, request, base, to, typing }, rooms)
    const answer = await answerOf(
      span,
      rooms.filter((room) => isListed(span, room)),
    )
    const heard = () => new Set(rooms.flatMap(({ room, membership }) => (membership === 'join' ? room : [])))
    return { answer, news: answer.news || base === undefined, heard }
  })
  // Who has hung up asks again by what it has.
  if (!request.signal.aborted) app.live.slidingConnections.answered(request.connection, base, after)
  return json
}

function baseOf(app: App, connection: string, pos: string): SlidingState {
  try {
    const { boot, live } = readSyncToken(pos)
    const known = boot === app.live.boot ? app.live.slidingConnections.at(connection, live) : undefined
    if (known !== undefined) return known
  } catch {}
  throw new MatrixError('M_UNKNOWN_POS', 'The connection is not known here (any more): begin anew.')
}

async function spanOf(span: Omit<Span, 'news' | 'settings'>, rooms: readonly SlidingRoom[]): Promise<Span> {
  const { app, request, base, to } = span
  const settings = settingsFrom(
    app,
    request.viewer.userId,
    await globalAccountDataSince(app.db, request.viewer.userId, base?.position ?? Number.MAX_SAFE_INTEGER),
  )
  const since = base?.position
  const news = since === undefined ? undefined : await newsSince(app, request.viewer, rooms, since, to)
  return { ...span, settings, news }
}

/** A room that the user has left is told to whom it was shown, an invite to who wants to have it. */
function isListed({ base, settings, request }: Span, { room, membership, sender }: SlidingRoom): boolean {
  if (membership === 'invite') return showsInvite(settings, sender)
  return membership !== 'leave' || sender !== request.viewer.userId || base?.rooms.has(room) === true
}

async function answerOf(span: Span, rooms: readonly SlidingRoom[]): Promise<Answer> {
  const { app, request, base, to } = span
  const chosen = await chooseRooms(app, request, rooms)
  const told = await tellRooms(span, plansOf(span, chosen))
  const extensions = await readExtensions(span, chosen, told)
  const serial = app.live.slidingConnections.nextSerial()
  const lists = [...chosen.counts].map(([name, count]) => `${JSON.stringify(name)}:{"count":${count}}`)
  const parts = [
    `"pos":${JSON.stringify(syncToken(app, to, serial))}`,
    `"lists":{${lists.join(',')}}`,
    `"rooms":{${[...told].map(([roomId, { json }]) => `${JSON.stringify(roomId)}:${json}`).join(',')}}`,
    `"extensions":{${[...extensions.texts].map(([name, json]) => `"${name}":${json}`).join(',')}}`,
  ]
  return {
    json: `{${parts.join(',')}}`,
    news: told.size > 0 || extensions.news || base === undefined,
    after: stateAfter(span, chosen, rooms, serial),
  }
}
