import { type StateWish, stateWish } from '../../core/sliding-sync.ts'
import { type EventRow, eventsByNumber } from '../../store/events.ts'
import { currentStateWanted, stateChangesBetween } from '../../store/state.ts'
import type { Timeline } from '../sync/timeline.ts'
import type { Plan } from './plan.ts'
import type { Span } from './request.ts'

const MEMBER = 'm.room.member'

/** The state of a room that the client wants and lacks. */
export async function readState(span: Span, plan: Plan, timeline: Timeline): Promise<EventRow[]> {
  const { app, request } = span
  const { userId } = request.viewer
  const { room } = timeline
  const wish = stateWish(plan.config.requiredState, userId)
  const numbers = room.outside ? [] : await stateNumbers(span, plan, timeline, wish)
  // Without their own step nobody sees that they were put out.
  if (room.end?.event != null) numbers.push(room.end.event)
  const rows = numbers.length === 0 ? [] : await eventsByNumber(app.db, [...new Set(numbers)])
  remember(span, plan, timeline, wish, rows)
  return rows
}

async function stateNumbers(span: Span, plan: Plan, timeline: Timeline, wish: StateWish): Promise<number[]> {
  const { db } = span.app
  const { room, limited } = timeline
  const members = membersWanted(span, plan, timeline, wish)
  if (plan.initial || plan.moreState) {
    // The state of today is none of theirs who have left.
    if (room.end !== undefined) return []
    const entries = await currentStateWanted(db, room.room, { members, others: true })
    const wanted = entries.filter(({ type, state_key: key }) => type === MEMBER || wish.wants(type, key))
    return wanted.map(({ event }) => event)
  }
  const changes = await stateChangesBetween(db, room.room, plan.since, room.until + 1)
  const wanted = changes.filter(
    ({ type, state_key: key }) => wish.wants(type, key) || (wish.lazyMembers && type === MEMBER && !limited),
  )
  const senders = members === undefined || members.length === 0 ? [] : await sendersState(span, room.room, members)
  return [...wanted.flatMap(({ event }) => event ?? []), ...senders]
}

async function sendersState({ app }: Span, room: number, members: readonly string[]): Promise<number[]> {
  const entries = await currentStateWanted(app.db, room, { members, others: false })
  return entries.map(({ event }) => event)
}

/** The users whose member events are wanted; undefined: everybody's. */
function membersWanted(span: Span, plan: Plan, timeline: Timeline, wish: StateWish): string[] | undefined {
  if (wish.members === undefined) return undefined
  const whole = plan.initial || plan.moreState
  const wanted = new Set(whole ? wish.members : [])
  if (!wish.lazyMembers) return [...wanted]
  const known = whole ? NOBODY : knownMembers(span, timeline)
  for (const { sender, type, state_key: target } of timeline.shown)
    for (const userId of type === MEMBER && target !== null ? [sender, target] : [sender])
      if (!known.has(userId)) wanted.add(userId)
  return [...wanted]
}

const NOBODY: ReadonlySet<string> = new Set()

function knownMembers({ app, request, base }: Span, { room }: Timeline): ReadonlySet<string> {
  return app.live.sentMembers.known(request.connection, room.room, base?.position ?? 0)
}

function remember(span: Span, plan: Plan, timeline: Timeline, wish: StateWish, rows: readonly EventRow[]): void {
  if (!wish.lazyMembers) return
  const { sentMembers } = span.app.live
  const { connection } = span.request
  const { room } = timeline.room
  if (plan.initial) sentMembers.forget(connection, room)
  const userIds = rows.flatMap((row) => (row.type === MEMBER ? (row.state_key ?? []) : []))
  sentMembers.sent(connection, room, userIds, span.to)
}
