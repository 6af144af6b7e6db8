/** How far the log has grown, and who wants to hear of it. */
export interface Growth {
  safePosition(): number
  /** Raises the safe position; a lower one changes nothing. */
  raise(position: number): void
  onGrown(listener: (position: number) => void): () => void
}

export function growth(start: number): Growth {
  const listeners = new Set<(position: number) => void>()
  let safe = start
  return {
    safePosition: () => safe,
    raise(position) {
      if (position <= safe) return
      safe = position
      for (const listener of listeners) callBack(listener, position)
    },
    onGrown(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** A listener that throws must not make a durable commit look failed: its error surfaces by itself. */
function callBack(listener: (position: number) => void, position: number): void {
  try {
    listener(position)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
