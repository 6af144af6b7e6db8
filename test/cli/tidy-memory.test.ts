import { getHeapStatistics } from 'node:v8'
import { expect, test, vi } from 'vitest'
import { tidyMemory } from '../../src/cli/tidy-memory.ts'
import { manualTime } from '../helpers/manual-time.ts'

const OBJECTS = 200_000
const KEPT_OF = 16

test('what a busy time leaves in half-empty pages goes back to the system, once the server is quiet', () => {
  const processor = vi.spyOn(process, 'cpuUsage')
  const busyMs = (ms: number) => processor.mockReturnValue({ user: ms * 1_000, system: 0 })
  const time = manualTime()
  busyMs(100)
  const stop = tidyMemory(time.timers)
  time.pass(10_000)
  const tidy = heapMb()
  const kept = halfEmptyPages()
  const full = heapMb()
  expect(full - tidy).toBeGreaterThan(10)
  busyMs(500)
  time.pass(10_000)
  expect(full - heapMb()).toBeLessThan(1)
  busyMs(100)
  time.pass(10_000)
  expect(full - heapMb()).toBeGreaterThan(8)
  stop()
  expect(kept.length).toBe(OBJECTS / KEPT_OF)
})

/** Objects of which one in sixteen stays, spread over all pages. */
function halfEmptyPages(): object[] {
  const all = Array.from({ length: OBJECTS }, (_, index) => ({ index, text: [index, index + 1, index + 2] }))
  return all.filter(({ index }) => index % KEPT_OF === 0)
}

function heapMb(): number {
  return getHeapStatistics().total_physical_size / 1_024 / 1_024
}
