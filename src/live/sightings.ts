import { LRUCache } from 'lru-cache'

/** When devices were last noted as seen, so that not every request writes. */
export interface Sightings {
  /** Whether the device should be noted now; from then on it counts as noted. */
  isDue(device: string, nowMs: number): boolean
}

/** A device that makes requests all the time is noted this often. */
const NOTED_EVERY_MS = 5 * 60_000
const MAX_DEVICES = 100_000

export function createSightings(): Sightings {
  const noted = new LRUCache<string, number>({ maxSize: MAX_DEVICES, sizeCalculation: () => 1 })
  return {
    isDue(device, nowMs) {
      const at = noted.get(device)
      if (at !== undefined && nowMs - at < NOTED_EVERY_MS) return false
      noted.set(device, nowMs)
      return true
    },
  }
}
