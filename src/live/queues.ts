/** Work that waits for earlier work of the same key to end. */
export interface Queues {
  run<T>(key: string, work: () => Promise<T>): Promise<T>
}

export function createQueues(): Queues {
  const ends = new Map<string, Promise<unknown>>()
  return {
    run(key, work) {
      const mine = (ends.get(key) ?? Promise.resolve()).then(work)
      const end = mine.catch(() => undefined)
      ends.set(key, end)
      void end.then(() => {
        if (ends.get(key) === end) ends.delete(key)
      })
      return mine
    },
  }
}
