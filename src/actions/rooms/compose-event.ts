import type { App } from '../../app.ts'
import { authorise, type Verdict } from '../../core/auth/authorise.ts'
import { authStateKeys } from '../../core/auth/select.ts'
import { authoriseSigned } from '../../core/auth/signed.ts'
import { buildEvent, type Event, type EventId } from '../../core/event.ts'
import type { UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { stateMapKey } from '../../core/state/map.ts'
import type { RoomTip, StateEntry } from '../../live/room-tip.ts'

/** An event as its author wants it; references, hashes and the signature are added. */
export interface NewEvent {
  readonly type: string
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
  readonly redacts?: EventId | undefined
  /** When it was sent, where that is not now. */
  readonly originServerTs?: number | undefined
}

export type EntryReader = (type: string, stateKey: string) => Promise<StateEntry | undefined>

export interface ComposedEvent {
  readonly event: Event
  /** Numbers of the events that authorise it. */
  readonly authEvents: readonly number[]
}

/**
 * Builds the event on the end of the room, checks it against the state there, and signs it.
 * Errors: M_FORBIDDEN with the rule that refused, M_TOO_LARGE, M_BAD_JSON.
 */
export async function composeEvent(
  app: App,
  tip: RoomTip,
  wanted: NewEvent,
  entry: EntryReader,
): Promise<ComposedEvent> {
  const keys = authStateKeys(tip.version, wanted)
  const known = new Map<string, StateEntry>()
  for (const [type, stateKey] of [['m.room.create', ''] as const, ...keys]) {
    const found = await entry(type, stateKey)
    if (found !== undefined) known.set(stateMapKey(type, stateKey), found)
  }
  const chosen = keys.flatMap(([type, stateKey]) => known.get(stateMapKey(type, stateKey)) ?? [])
  const event = buildEvent(
    tip.version,
    {
      roomId: wanted.type === 'm.room.create' && tip.version.roomIdIsCreateHash ? undefined : tip.roomId,
      type: wanted.type,
      stateKey: wanted.stateKey,
      sender: wanted.sender,
      content: wanted.content,
      originServerTs: wanted.originServerTs ?? app.clock.now(),
      depth: tip.depth + 1,
      prevEvents: tip.heads.map((head) => head.eventId),
      authEvents: chosen.map((found) => found.value.eventId),
      ...(wanted.redacts === undefined ? {} : { redacts: wanted.redacts }),
    },
    app.serverName,
    app.key,
  )
  checkVerdict(authorise(tip.version, event, (type, stateKey) => known.get(stateMapKey(type, stateKey))?.value))
  // Whoever vouches on another server has to be asked there; this event bears our signature alone.
  checkVerdict(authoriseSigned(tip.version, event, new Set([app.serverName])))
  return { event, authEvents: chosen.map((found) => found.event) }
}

function checkVerdict(verdict: Verdict): void {
  if (verdict.allowed) return
  throw new MatrixError('M_FORBIDDEN', `Not allowed in this room: ${verdict.reason} (rule ${verdict.rule})`)
}
