import { LRUCache } from 'lru-cache'
import { type JsonObject, parseJson } from '../core/json.ts'
import type { Clock } from './time.ts'

/** Previews of pages that were fetched lately. */
export interface Previews {
  /** As the page was at that time, as far as it is known; undefined when it has to be looked at. */
  at(url: string, ts: number): JsonObject | undefined
  keep(url: string, answer: JsonObject): void
}

interface Fetched {
  readonly fetchedMs: number
  /** The answer as JSON: a text that was cut out of a page would keep all of the page in memory. */
  readonly text: string
}

/** Of all answers together. */
const LENGTH_MAX = 4 * 1_024 * 1_024
const VERSIONS_MAX = 4
const AGE_MS = 3_600_000
/** Nothing is shown that was fetched earlier: its image may be forgotten. */
export const PREVIEW_AGE_MAX_MS = 24 * 3_600_000

export function createPreviews(clock: Clock): Previews {
  /** By address, the newest first. */
  const pages = new LRUCache<string, readonly Fetched[]>({
    maxSize: LENGTH_MAX,
    sizeCalculation: (versions, url) => versions.reduce((length, { text }) => length + text.length, url.length),
  })
  return {
    at(url, ts) {
      const oldest = clock.now() - PREVIEW_AGE_MAX_MS
      const versions = (pages.get(url) ?? []).filter(({ fetchedMs }) => fetchedMs >= oldest)
      const then = versions.find(({ fetchedMs }) => fetchedMs <= ts && ts < fetchedMs + AGE_MS)
      const [newest] = versions
      const isFresh = newest !== undefined && clock.now() < newest.fetchedMs + AGE_MS
      const found = then ?? (isFresh ? newest : undefined)
      return found && (parseJson(found.text) as JsonObject)
    },
    keep(url, answer) {
      const before = (pages.get(url) ?? []).slice(0, VERSIONS_MAX - 1)
      pages.set(url, [{ fetchedMs: clock.now(), text: JSON.stringify(answer) }, ...before])
    },
  }
}
