import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Timers } from '../live/time.ts'

const LOOK_AFTER_MS = 10_000
/** So much processor time a quiet server takes between two looks at most, in microseconds. */
const QUIET_CPU_US = 200_000
/** By how much the heap has to have grown; the loop stands still for a few milliseconds for each MB that is in use. */
const GROWN_BYTES = 8 * 1_024 * 1_024

/**
 * Gives memory back to the system when the server is quiet after its start, and after busy times: V8 keeps what it used
 * once until the heap grows, which that of a small server never does, and leaves half-empty pages as they are. That is
 * a sixth of the memory of an idle server.
 */
export function tidyMemory(timers: Timers): () => void {
  let lastLook = process.cpuUsage()
  let tidyBytes = 0
  const look = (): void => {
    const { user, system } = process.cpuUsage(lastLook)
    tidyBytes = Math.min(tidyBytes, heapBytes())
    if (user + system < QUIET_CPU_US && heapBytes() - tidyBytes > GROWN_BYTES) {
      compactHeap()
      tidyBytes = heapBytes()
    }
    lastLook = process.cpuUsage()
    cancel = timers.after(LOOK_AFTER_MS, look)
  }
  let cancel = timers.after(LOOK_AFTER_MS, look)
  return () => cancel()
}

function heapBytes(): number {
  return getHeapStatistics().total_physical_size
}

function compactHeap(): void {
  setFlagsFromString('--expose-gc')
  setFlagsFromString('--compact-on-every-full-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  setFlagsFromString('--no-compact-on-every-full-gc')
}
