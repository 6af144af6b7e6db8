import type { EventId } from '../../core/ids.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

/**
 * Each event after those of the given ones that it names; an event in a circle comes where it is met. What `depth` says
 * is its server's talk. No recursion.
 */
export function inOrder(
  starts: Iterable<VerifiedEvent>,
  given: ReadonlyMap<EventId, VerifiedEvent>,
  namedBy: (event: VerifiedEvent) => readonly EventId[],
): VerifiedEvent[] {
  const ordered: VerifiedEvent[] = []
  const seen = new Set<EventId>()
  for (const start of starts) {
    const stack: { event: VerifiedEvent; next: number }[] = []
    const enter = (event: VerifiedEvent | undefined) => {
      if (event === undefined || seen.has(event.eventId)) return
      seen.add(event.eventId)
      stack.push({ event, next: 0 })
    }
    enter(start)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const id = namedBy(top.event)[top.next++]
      if (id !== undefined) enter(given.get(id))
      else ordered.push(stack.pop()!.event)
    }
  }
  return ordered
}
