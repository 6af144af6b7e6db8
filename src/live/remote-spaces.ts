import { LRUCache } from 'lru-cache'
import type { RemoteSpace } from '../core/space.ts'
import type { Clock } from './time.ts'

/** What other servers told of a space lately; without `space`: none of them told anything. */
export interface RemoteSpaces {
  get(key: string): { readonly space: RemoteSpace | undefined } | undefined
  set(key: string, answer: { readonly space: RemoteSpace | undefined }): void
}

const SPACES_MAX = 200
/** Characters of all of them together. */
const LENGTH_MAX = 32 * 1_024 * 1_024
const AGE_MS = 300_000
/** A space that nobody told of is asked for again sooner. */
const SILENCE_MS = 30_000

export function createRemoteSpaces(clock: Clock): RemoteSpaces {
  const known = new LRUCache<string, { readonly space: RemoteSpace | undefined; readonly until: number }>({
    max: SPACES_MAX,
    maxSize: LENGTH_MAX,
    sizeCalculation: ({ space }) => 1 + (space === undefined ? 0 : lengthOf(space)),
  })
  return {
    get(key) {
      const entry = known.get(key)
      return entry === undefined || entry.until <= clock.monotonic() ? undefined : entry
    },
    set(key, { space }) {
      known.set(key, { space, until: clock.monotonic() + (space === undefined ? SILENCE_MS : AGE_MS) })
    },
  }
}

function lengthOf({ room, children, summaries, inaccessible }: RemoteSpace): number {
  return JSON.stringify([room, children, [...summaries.values()], [...inaccessible]]).length
}
