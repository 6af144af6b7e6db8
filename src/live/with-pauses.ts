import type { Clock, Timers } from './time.ts'

/**
 * The items one after the other. When the caller has worked on them for `sliceMs` without a pause, others have their
 * turn before the next one.
 */
export async function* withPauses<T>(
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  items: Iterable<T>,
  sliceMs: number,
): AsyncGenerator<T> {
  let startedMs = clock.monotonic()
  for (const item of items) {
    yield item
    if (clock.monotonic() - startedMs < sliceMs) continue
    await timers.sleep(0)
    startedMs = clock.monotonic()
  }
}
