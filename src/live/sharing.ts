/** Work that several callers ask for at the same time, done once. */
export interface Sharing<T> {
  /** Runs `work`, or joins in when the same key is at work already. The work is aborted when the last caller is. */
  run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>
}

interface Shared<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  callers: number
}

export function createSharing<T>(): Sharing<T> {
  const atWork = new Map<string, Shared<T>>()

  function start(key: string, work: (signal: AbortSignal) => Promise<T>): Shared<T> {
    const controller = new AbortController()
    const end = () => {
      if (atWork.get(key) === shared) atWork.delete(key)
    }
    const result = work(controller.signal).finally(end)
    const shared: Shared<T> = { result, controller, callers: 0 }
    atWork.set(key, shared)
    // Whoever comes after the abort begins anew.
    controller.signal.addEventListener('abort', end)
    return shared
  }

  return {
    async run(key, signal, work) {
      const shared = atWork.get(key) ?? start(key, work)
      shared.callers++
      const leave = () => {
        shared.callers--
        if (shared.callers === 0) shared.controller.abort()
      }
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) leave()
      try {
        return await shared.result
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
  }
}
