import { isObject, parseJson } from './json.ts'
import { type PushContext, pushEvent } from './push-conditions.ts'
import { evaluatePushRules, type PushOutcome, type PushRuleset, pushOutcome } from './push-rules.ts'

/** The thread of events outside of threads. */
export const MAIN_THREAD = 'main'

export interface UnreadCount {
  readonly notifications: number
  readonly highlights: number
}

/** Unread counts of one room by thread; a thread without a count has nothing unread. */
export type UnreadCounts = ReadonlyMap<string, UnreadCount>

/** An event as counting reads it. */
export interface CountedEvent {
  readonly event_id: string
  readonly position: number | null
  readonly type: string
  readonly state_key: string | null
  readonly sender: string
  readonly origin_server_ts: number
  readonly content: string
  readonly thread_root: string | null
  readonly redacted_by: number | null
}

/** For whom is counted, and in what room. */
export interface Reader extends Omit<PushContext, 'senderMayNotify'> {
  readonly roomId: string
  readonly ruleset: PushRuleset
  readonly ignored: ReadonlySet<string>
  /** Up to which position of the log the user has read: `whole` everything, the others one thread each. */
  readonly readUpTo: { readonly whole: number; readonly threads: ReadonlyMap<string, number> }
  /** Whether the sender may notify with the key: undefined when it is not known yet. */
  senderMayNotify(sender: string, key: string): boolean
}

/**
 * The counts after further events, oldest first (Client-Server API, "Receiving notifications"). Who sends an event
 * has read its thread up to there.
 */
export function countUnread(before: UnreadCounts, events: readonly CountedEvent[], reader: Reader): UnreadCounts {
  const counts = new Map(before)
  for (const event of events) {
    const thread = event.thread_root ?? MAIN_THREAD
    if (isRead(event, thread, reader)) continue
    if (event.sender === reader.userId) {
      counts.delete(thread)
      continue
    }
    const outcome = outcomeFor(event, reader)
    if (!outcome.notify) continue
    const { notifications, highlights } = counts.get(thread) ?? { notifications: 0, highlights: 0 }
    counts.set(thread, { notifications: notifications + 1, highlights: highlights + (outcome.highlight ? 1 : 0) })
  }
  return counts
}

export function isRead(event: CountedEvent, thread: string, reader: Pick<Reader, 'readUpTo'>): boolean {
  const { whole, threads } = reader.readUpTo
  return (event.position ?? 0) <= Math.max(whole, threads.get(thread) ?? 0)
}

/** What the user's rules make of the event. Nobody is notified of what is redacted, or comes from whom they ignore. */
export function outcomeFor(event: CountedEvent, reader: Reader): PushOutcome {
  return pushOutcome(actionsFor(event, reader))
}

export function actionsFor(event: CountedEvent, reader: Reader) {
  if (event.redacted_by !== null || reader.ignored.has(event.sender)) return []
  const content = parseJson(event.content)
  const pushed = pushEvent({
    eventId: event.event_id,
    roomId: reader.roomId,
    type: event.type,
    stateKey: event.state_key,
    sender: event.sender,
    originServerTs: event.origin_server_ts,
    content: isObject(content) ? content : {},
  })
  return evaluatePushRules(reader.ruleset, pushed, {
    userId: reader.userId,
    displayName: reader.displayName,
    memberCount: reader.memberCount,
    senderMayNotify: (key) => reader.senderMayNotify(event.sender, key),
  })
}
