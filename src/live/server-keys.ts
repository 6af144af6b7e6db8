import { LRUCache } from 'lru-cache'
import type { ServerKey } from '../core/server-keys.ts'

/** Keys of other servers that were used lately, and questions for keys under way. */
export interface ServerKeyCache {
  /** By server. */
  readonly known: LRUCache<string, readonly ServerKey[]>
  /** By server: one question at a time. */
  readonly asking: Map<string, Promise<readonly ServerKey[]>>
  /**
   * By server: until when it has been asked, as though its answers had been spread over time; milliseconds of the wall
   * clock.
   */
  readonly spentUntil: LRUCache<string, number>
}

const SERVERS_MAX = 5_000

export function createServerKeyCache(): ServerKeyCache {
  return {
    known: new LRUCache({ maxSize: SERVERS_MAX, sizeCalculation: () => 1 }),
    asking: new Map(),
    spentUntil: new LRUCache({ maxSize: SERVERS_MAX, sizeCalculation: () => 1 }),
  }
}
