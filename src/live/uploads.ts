/** Bytes of files that are on their way to this process, by user. */
export interface Uploads {
  of(userId: string): number
  /** Less than none: they have arrived, or will not. */
  add(userId: string, bytes: number): void
}

export function createUploads(): Uploads {
  const underWay = new Map<string, number>()
  return {
    of: (userId) => underWay.get(userId) ?? 0,
    add(userId, bytes) {
      const left = (underWay.get(userId) ?? 0) + bytes
      if (left > 0) underWay.set(userId, left)
      else underWay.delete(userId)
    },
  }
}
