import type { JsonObject } from '../core/json.ts'
import type { Clock } from './time.ts'

/** What application services told of the networks that they bridge: one entry for each protocol of a registration. */
export interface ProtocolCache {
  /** Without `fresh` it is asked for again, and still stands for whoever does not answer. */
  get(appserviceId: string, protocol: string): { readonly told: JsonObject; readonly fresh: boolean } | undefined
  set(appserviceId: string, protocol: string, told: JsonObject): void
}

/** Clients ask whenever somebody looks for a room. */
const FRESH_MS = 60_000

export function createProtocolCache(clock: Clock): ProtocolCache {
  const known = new Map<string, { readonly told: JsonObject; readonly at: number }>()
  const name = (appserviceId: string, protocol: string) => JSON.stringify([appserviceId, protocol])
  return {
    get(appserviceId, protocol) {
      const entry = known.get(name(appserviceId, protocol))
      return entry && { told: entry.told, fresh: clock.monotonic() - entry.at < FRESH_MS }
    },
    set(appserviceId, protocol, told) {
      known.set(name(appserviceId, protocol), { told, at: clock.monotonic() })
    },
  }
}
