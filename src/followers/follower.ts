/** Carries the log onwards, at its own pace. */
export interface Follower {
  /** Resolves when everything that can be done now was done. */
  idle(): Promise<void>
  stop(): Promise<void>
}
