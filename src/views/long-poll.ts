import type { App } from '../app.ts'
import type { TypingChanges } from '../live/typing.ts'
import type { Viewer } from './client-events.ts'
import { checkStillIn } from './still-in.ts'

/** Longest wait, whatever the client asks for. */
const MAX_TIMEOUT_MS = 120_000

export interface LongPoll {
  readonly viewer: Viewer
  /** Below 0 is as 0: no wait. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** What of typing is known already: its serial, 0 for nothing. */
  readonly typing: number
}

/** What there is at one moment. */
export interface Look<Answer> {
  readonly answer: Answer
  /** Whether it is worth answering at once. */
  readonly news: boolean
  /** The rooms that wake the poll. Asked only before a wait. */
  readonly heard: () => ReadonlySet<number> | Promise<ReadonlySet<number>>
}

/** The moment that an answer is of: the position in the log, and typing, which has none. */
export interface Moment {
  readonly to: number
  readonly typing: TypingChanges
}

/** Looks until there is news or the time is over, and returns the last answer. Errors: those of `checkStillIn`. */
export async function longPoll<Answer>(
  app: App,
  { viewer, timeoutMs, signal, typing: typingKnown }: LongPoll,
  look: (moment: Moment) => Promise<Look<Answer>>,
): Promise<Answer> {
  const deadline = app.clock.monotonic() + Math.min(Math.max(timeoutMs, 0), MAX_TIMEOUT_MS)
  const { userId, deviceId } = viewer
  for (let woken = false; ; woken = true) {
    const to = app.db.safePosition()
    // What woke it may be the end of the session: then it is no news for whoever has the device.
    if (woken) await checkStillIn(app, viewer)
    const typing = app.live.typing.changesSince(typingKnown)
    const { answer, news, heard } = await look({ to, typing })
    const leftMs = deadline - app.clock.monotonic()
    if (news || leftMs <= 0) return answer
    if (!woken) await checkStillIn(app, viewer)
    const rooms = await heard()
    // Typing has no row in the log that the waiter could find afterwards: no pause from here to its wait.
    const typedSince = app.live.typing.changesSince(typing.serial)
    if ([...typedSince.lists.keys()].some((room) => rooms.has(room))) continue
    if (!(await app.live.waiters.wait({ userId, deviceId, rooms, since: to, timeoutMs: leftMs, signal }))) return answer
  }
}
