/** What is wrong with the configuration, and where. */
export interface Fault {
  readonly path: readonly string[]
  readonly message: string
}
