import type { ServerName } from '../core/ids.ts'

/** Tells the sender that a server may be spoken to again, from wherever that is noticed. */
export interface Destinations {
  /** The server is alive, or something waits for it. */
  wake(server: ServerName): void
  /** The sender listens. Returns the way to stop. */
  onWake(listener: (server: ServerName) => void): () => void
}

export function createDestinations(): Destinations {
  const listeners = new Set<(server: ServerName) => void>()
  return {
    wake(server) {
      for (const listener of listeners) listener(server)
    },
    onWake(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
