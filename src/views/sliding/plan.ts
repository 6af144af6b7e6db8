import { patternKey } from '../../core/sliding-sync.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import type { SentRoom, SlidingState } from '../../live/sliding-connections.ts'
import type { SlidingRoom } from '../../store/sliding-sync.ts'
import type { Chosen, ChosenRoom } from './choose.ts'
import { happened, type Span } from './request.ts'

/** What of a chosen room is told. */
export interface Plan extends ChosenRoom {
  /** The client has nothing of the room, or what it has is of another stay. */
  readonly initial: boolean
  /** The client has what happened up to here; 0 where it has nothing. */
  readonly since: number
  /** It asks for a longer timeline than it has: that is told from its beginning. */
  readonly longer: boolean
  /** It asks for state that it has not asked for before. */
  readonly moreState: boolean
  /** The room became a direct one, or is none any more. */
  readonly directChanged: boolean
}

/** Things that may change what a client shows of a room. */
const NEWS = ['event', 'membership', 'receipt', MEMBERS_KNOWN]

/** What the answer tells of which room: only those of which there may be something to tell. */
export function plansOf(span: Span, chosen: Chosen): Plan[] {
  return [...chosen.rooms.values()].flatMap((room) => planOf(span, room) ?? [])
}

function planOf(span: Span, chosen: ChosenRoom): Plan | undefined {
  const { room, config, direct } = chosen
  const sent = span.base?.rooms.get(room.room)
  if (sent === undefined || !goesOn(sent.membership, room))
    return { ...chosen, initial: true, since: 0, longer: false, moreState: false, directChanged: false }
  // What goes on in a room after the user has left is none of theirs.
  if (hasLeft(room) && sent.membership === room.membership) return undefined
  const since = sent.staleSince ?? span.base?.position ?? 0
  const longer = room.membership === 'join' && config.timelineLimit > sent.timelineLimit
  const moreState = config.requiredState.some((pattern) => !sent.requiredState.has(patternKey(pattern)))
  const directChanged = direct !== sent.direct
  const news = sent.staleSince !== undefined || happened(span, room.room, ...NEWS)
  if (!news && !longer && !moreState && !directChanged) return undefined
  return { ...chosen, initial: false, since, longer, moreState, directChanged }
}

function hasLeft({ membership }: SlidingRoom): boolean {
  return membership === 'leave' || membership === 'ban'
}

/** Whoever leaves gets the end of what they have; who comes in begins anew. */
function goesOn(before: string, room: SlidingRoom): boolean {
  return before === room.membership || (before === 'join' && hasLeft(room))
}

/** What the client has once it has the answer. */
export function stateAfter(span: Span, chosen: Chosen, rooms: readonly SlidingRoom[], serial: number): SlidingState {
  const { base, to, typing } = span
  const after = new Map<number, SentRoom>()
  for (const { room, membership } of rooms) {
    const sent = base?.rooms.get(room)
    const told = chosen.rooms.get(room)
    if (told !== undefined) after.set(room, sentBy(told, sent))
    else if (sent !== undefined) after.set(room, leftOut(span, room, membership, sent))
  }
  return { serial, position: to, typing: typing.serial, rooms: after }
}

function sentBy({ room, config, direct }: ChosenRoom, sent: SentRoom | undefined): SentRoom {
  const { membership } = room
  const same = sent?.membership === membership ? sent : undefined
  const wanted = config.requiredState.map(patternKey)
  const hasState = same !== undefined && wanted.every((key) => same.requiredState.has(key))
  return {
    membership,
    timelineLimit: Math.max(config.timelineLimit, same?.timelineLimit ?? 0),
    requiredState: hasState ? same.requiredState : new Set([...(same?.requiredState ?? []), ...wanted]),
    direct,
    staleSince: undefined,
  }
}

function leftOut(span: Span, room: number, membership: string, sent: SentRoom): SentRoom {
  const changed = happened(span, room, ...NEWS) || membership !== sent.membership
  return changed ? { ...sent, staleSince: sent.staleSince ?? span.base?.position ?? 0 } : sent
}
