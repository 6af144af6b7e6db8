/** Tells whoever waits for a time that an earlier one may have been set. */
export interface Alarm {
  ring(): void
  /** Returns the way to stop listening. */
  onRing(listener: () => void): () => void
}

export function createAlarm(): Alarm {
  const listeners = new Set<() => void>()
  return {
    ring() {
      for (const listener of listeners) listener()
    },
    onRing(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
