import type { App } from '../app.ts'
import { type KeyViewer, knownKeys, type UserKeys } from '../store/known-keys.ts'

export interface KeyQuery {
  /** Who asks. */
  readonly userId: string
  readonly users: readonly string[]
}

export interface QueriedKeys {
  readonly keys: ReadonlyMap<string, UserKeys>
  /** Servers that did not answer. */
  readonly failures: readonly string[]
}

/** Keys of users (Client-Server API, `/keys/query`). */
export async function queryKeys(app: App, query: KeyQuery): Promise<QueriedKeys> {
  const viewer: KeyViewer = { userId: query.userId, names: true }
  return { keys: await knownKeys(app.db, query.users, viewer), failures: [] }
}
