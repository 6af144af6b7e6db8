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

/** A sign, as a process tells it the one that sends transactions. */
export function signText(appserviceId: string, sign: SignOfLife): string {
  return `appservice ${sign} ${appserviceId}`
}

/** The sign that a process told; undefined for a text about something else. */
export function signIn(text: string): { readonly appserviceId: string; readonly sign: SignOfLife } | undefined {
  const [, sign, appserviceId] = /^appservice (heard|reached) (.+)$/s.exec(text) ?? []
  return appserviceId === undefined ? undefined : { appserviceId, sign: sign as SignOfLife }
}
