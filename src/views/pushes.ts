import type { App } from '../app.ts'
import type { UserId } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { pushOutcome } from '../core/push-rules.ts'
import { actionsFor, type CountedEvent, isRead, MAIN_THREAD } from '../core/unread.ts'
import { eventsById } from '../store/events.ts'
import { type RoomOfUser, roomsOfUser } from '../store/memberships.ts'
import { type PushStep, pushSteps } from '../store/pushers.ts'
import { ownReceipts } from '../store/receipts.ts'
import { type CountingUser, countingUser, readerOf, readUpToIn, withPowers } from './unread.ts'
import { visibleEvents } from './visible-events.ts'

/** An event that notifies a user by their rules. */
export interface Push {
  readonly position: number
  readonly event: CountedEvent
  readonly room: RoomOfUser
  /** Of sound and highlight, as the rule says. */
  readonly tweaks: JsonObject
  readonly highlight: boolean
}

/** What a stretch of the log means for the pushers of a user. */
export interface Pushes {
  readonly user: CountingUser
  readonly rooms: readonly RoomOfUser[]
  /** Oldest first. */
  readonly pushes: readonly Push[]
  /** The log was read up to here. */
  readonly position: number
  /** Rooms in which something happened, and whether the user has read on there. */
  readonly touched: ReadonlyMap<number, { readonly read: boolean }>
  /** Where the user has written last, by `placeIn`: who writes has read what came before. */
  readonly written: ReadonlyMap<string, number>
}

/** A thread of a room, as a key. */
export function placeIn(room: number, thread: string | null): string {
  return `${room} ${thread ?? MAIN_THREAD}`
}

/** Rows of the log for one stretch. */
const STEPS_MAX = 100

/** Reads the log on from `since` for one user: what notifies them now, of what they have not read meanwhile. */
export async function pushesSince(app: App, userId: UserId, since: number): Promise<Pushes> {
  const to = app.db.safePosition()
  const rooms = (await roomsOfUser(app.db, userId, Number.MAX_SAFE_INTEGER)).filter(
    ({ membership }) => membership === 'join' || membership === 'invite',
  )
  const steps = await pushSteps(app.db, { userId, rooms: rooms.map(({ room }) => room) }, since, to, STEPS_MAX)
  const user = await countingUser(app, userId)
  const touched = new Map<number, { read: boolean }>()
  for (const { room, kind } of steps)
    touched.set(room, { read: kind === 'receipt' || touched.get(room)?.read === true })
  const candidates = await candidatesIn(app, userId, new Map(rooms.map((room) => [room.room, room])), steps)
  const written = new Map<string, number>()
  for (const { event, room, position } of candidates)
    if (event.sender === userId) written.set(placeIn(room.room, event.thread_root), position)
  return {
    user,
    rooms,
    pushes: await notifying(app, user, candidates, written),
    position: steps.length === STEPS_MAX ? steps.at(-1)!.position : to,
    touched,
    written,
  }
}

async function notifying(
  app: App,
  user: CountingUser,
  candidates: readonly Candidate[],
  written: ReadonlyMap<string, number>,
): Promise<Push[]> {
  const joined = new Set(candidates.map(({ room }) => room.room))
  const receipts = joined.size === 0 ? [] : await ownReceipts(app.db, user.userId, [...joined])
  const pushes: Push[] = []
  for (const { event, position, room } of candidates) {
    if (position <= (written.get(placeIn(room.room, event.thread_root)) ?? 0)) continue
    const readUpTo = readUpToIn(room.room, receipts)
    if (isRead(event, event.thread_root ?? MAIN_THREAD, { readUpTo })) continue
    const reader = { ...readerOf(user, room), readUpTo }
    const actions = await withPowers(app, room, (senderMayNotify) => actionsFor(event, { ...reader, senderMayNotify }))
    const { notify, highlight, tweaks } = pushOutcome(actions)
    if (notify) pushes.push({ position, event, room, highlight, tweaks })
  }
  return pushes
}

interface Candidate {
  readonly position: number
  readonly event: CountedEvent
  readonly room: RoomOfUser
}

/** Events since the user came into the room, and invites, also into rooms that we know nothing of. */
async function candidatesIn(
  app: App,
  userId: string,
  rooms: ReadonlyMap<number, RoomOfUser>,
  steps: readonly PushStep[],
): Promise<Candidate[]> {
  const ids = steps.flatMap((step) => (step.kind === 'event' ? [step.subject] : []))
  const rows = ids.length === 0 ? [] : await eventsById(app.db, ids, app.db.safePosition())
  const events = new Map((await visibleEvents(app, userId, rows)).map((row) => [row.event_id as string, row]))
  return steps.flatMap(({ kind, position, room: number, subject }): Candidate[] => {
    const room = rooms.get(number)
    if (room === undefined || position < room.position) return []
    if (kind === 'membership' && room.membership === 'invite') {
      const event = inviteOf(userId, room, subject)
      return event === undefined ? [] : [{ position, room, event }]
    }
    const event = events.get(subject)
    if (event === undefined) return []
    return room.membership === 'join' || event.state_key === userId ? [{ position, room, event }] : []
  })
}

/** The invite out of the state that came with it. */
function inviteOf(userId: string, room: RoomOfUser, eventId: string): CountedEvent | undefined {
  for (const state of strippedStateOf(room)) {
    if (own(state, 'type') !== 'm.room.member' || own(state, 'state_key') !== userId) continue
    return {
      event_id: eventId,
      position: room.position,
      type: 'm.room.member',
      state_key: userId,
      sender: room.sender,
      origin_server_ts: 0,
      content: JSON.stringify(own(state, 'content') ?? {}),
      thread_root: null,
      redacted_by: null,
    }
  }
  return undefined
}

export function strippedStateOf(room: RoomOfUser): readonly JsonObject[] {
  const state: JsonValue = parseJson(room.stripped_state ?? '[]')
  return Array.isArray(state) ? state.filter((entry) => isObject(entry)) : []
}
