import { type EventFilter, eventFilterMatches, filterExcludesAll } from '../../core/filter.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import { type EventRow, eventsByNumber } from '../../store/events.ts'
import { currentStateWanted, type StateWanted, stateAt, stateChangesBetween } from '../../store/state.ts'
import { hasNews, type Scope, type SyncRoom } from './scope.ts'
import type { Timeline } from './timeline.ts'

/** The state events of one room's part of the answer, by number. */
interface StateNumbers {
  readonly timeline: Timeline
  readonly events: readonly number[]
}

/**
 * What the client lacks of each room's state: up to the start of the timeline, or up to its end if the client wants
 * that (`use_state_after`). In the order of the timelines. `heroes` are members that a summary names.
 */
export async function readStates(
  scope: Scope,
  timelines: readonly Timeline[],
  heroes: ReadonlyMap<number, readonly string[]>,
): Promise<EventRow[][]> {
  const filter = scope.request.filter.room.state
  if (filterExcludesAll(filter)) return timelines.map(() => [])
  const lists: StateNumbers[] = []
  for (const timeline of timelines) {
    const events = await stateNumbers(scope, timeline, heroes.get(timeline.room.room) ?? [])
    lists.push({ timeline, events })
  }
  const all = [...new Set(lists.flatMap((list) => list.events))]
  const rows = all.length === 0 ? [] : await eventsByNumber(scope.app.db, all)
  const byNumber = new Map(rows.map((row) => [row.event, row]))
  return lists.map(({ timeline, events }) => {
    const state = events.flatMap((event) => byNumber.get(event) ?? []).filter((row) => matches(filter, timeline, row))
    remember(scope, timeline, state)
    return state
  })
}

async function stateNumbers(scope: Scope, timeline: Timeline, heroes: readonly string[]): Promise<number[]> {
  const { room } = timeline
  if (room.outside) return []
  const members = membersWanted(scope, timeline, heroes)
  if (room.wholeState) return stateBefore(scope, timeline, { members, others: true })
  const changes = await changesUpTo(scope, timeline)
  // The client has the room from before, without the members who were on their way.
  const joinedLately = hasNews(scope, room.room, MEMBERS_KNOWN)
  if (members === undefined ? !joinedLately : members.length === 0) return changes
  const lacking = await stateBefore(scope, timeline, { members, others: false })
  return [...new Set([...changes, ...lacking])]
}

/** With lazily loaded members: those that the client cannot show the timeline without. Undefined: everybody. */
function membersWanted(scope: Scope, timeline: Timeline, heroes: readonly string[]): string[] | undefined {
  const { lazyLoadMembers, includeRedundantMembers } = scope.request.filter.room.state
  if (!lazyLoadMembers) return undefined
  const wanted = new Set([...timeline.shown.map((row) => row.sender), ...heroes])
  if (timeline.room.wholeState) wanted.add(scope.request.viewer.userId)
  else if (!includeRedundantMembers) for (const userId of known(scope, timeline.room)) wanted.delete(userId as never)
  return [...wanted]
}

function known(scope: Scope, room: SyncRoom): ReadonlySet<string> {
  return scope.app.live.sentMembers.known(deviceKey(scope), room.room, scope.since)
}

function remember(scope: Scope, timeline: Timeline, state: readonly EventRow[]): void {
  if (!scope.request.filter.room.state.lazyLoadMembers) return
  const { sentMembers } = scope.app.live
  const { room } = timeline.room
  if (timeline.room.wholeState) sentMembers.forget(deviceKey(scope), room)
  const members = [...state, ...timeline.shown].filter((row) => row.type === 'm.room.member')
  const userIds = members.flatMap((row) => row.state_key ?? [])
  sentMembers.sent(deviceKey(scope), room, userIds, scope.to)
}

function deviceKey(scope: Scope): string {
  return `${scope.request.viewer.userId} ${scope.request.viewer.deviceId}`
}

/** The wanted state as a whole, before the first event shown or at the end. */
async function stateBefore(scope: Scope, timeline: Timeline, wanted: StateWanted): Promise<number[]> {
  const { db } = scope.app
  const { room } = timeline
  const first = scope.request.stateAfterKey === undefined ? timeline.shown[0] : undefined
  const afterEnd = room.end !== undefined && (first?.position ?? Number.MAX_SAFE_INTEGER) > room.end.position
  if (afterEnd) return stateAtEnd(scope, room, wanted)
  if (first === undefined) return numbers(await currentStateWanted(db, room.room, wanted))
  return first.snapshot === null ? [] : numbers(await stateAt(db, first.snapshot, wanted))
}

/** The state just after the user's membership ended. */
async function stateAtEnd(scope: Scope, room: SyncRoom, wanted: StateWanted): Promise<number[]> {
  const [leave] = await eventsByNumber(scope.app.db, room.end?.event == null ? [] : [room.end.event])
  if (leave === undefined || leave.snapshot === null) return []
  const before = await stateAt(scope.app.db, leave.snapshot, wanted)
  const others = before.filter((entry) => entry.type !== leave.type || entry.state_key !== leave.state_key)
  return [...numbers(others), leave.event]
}

function numbers(entries: readonly { event: number }[]): number[] {
  return entries.map((entry) => entry.event)
}

/** Changes of the state that the timeline does not show. */
async function changesUpTo(scope: Scope, timeline: Timeline): Promise<number[]> {
  const { room, shown, limited, hides } = timeline
  const stateAfter = scope.request.stateAfterKey !== undefined
  const complete = !limited && !hides
  if (complete && !(stateAfter && shown.some((row) => row.state_key !== null))) return []
  const first = stateAfter ? undefined : shown[0]?.position
  const end = Math.min(room.until, room.end?.position ?? room.until)
  const before = Math.min(first ?? end + 1, end + 1)
  const changes = await stateChangesBetween(scope.app.db, room.room, scope.since, before)
  return changes.flatMap((change) => change.event ?? [])
}

function matches(filter: EventFilter, timeline: Timeline, row: EventRow): boolean {
  const { type, sender, content } = row
  return eventFilterMatches(filter, { type, sender, content, roomId: timeline.room.room_id })
}
