/** Requests that are under way in this process, by name: who asks for the same meanwhile shares the answer. */
export interface Underway<T> {
  run(name: string, work: () => Promise<T>): Promise<T>
}

export function createUnderway<T>(): Underway<T> {
  const works = new Map<string, Promise<T>>()
  return {
    run(name, work) {
      const known = works.get(name)
      if (known !== undefined) return known
      const begun = work().finally(() => works.delete(name))
      works.set(name, begun)
      return begun
    },
  }
}
