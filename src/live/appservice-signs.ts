/** `heard`: it sent us a request. `reached`: it answered one of ours that was no transaction. */
export type SignOfLife = 'heard' | 'reached'

/** Tells the sender of transactions that an application service is alive. */
export interface AppserviceSigns {
  note(appserviceId: string, sign: SignOfLife): void
  /** Returns the way to stop listening. */
  onSign(listener: (appserviceId: string, sign: SignOfLife) => void): () => void
}

export function createAppserviceSigns(): AppserviceSigns {
  const listeners = new Set<(appserviceId: string, sign: SignOfLife) => void>()
  return {
    note(appserviceId, sign) {
      for (const listener of listeners) listener(appserviceId, sign)
    },
    onSign(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
