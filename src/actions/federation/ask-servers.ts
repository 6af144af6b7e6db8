import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import { Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import type { Patience } from '../keys/resync-device-list.ts'

/** Servers asked at once for one request. */
const AT_ONCE_MAX = 100
/** How long a client waits for other servers, when it does not say, and at the most. */
const TIMEOUT_MS = 10_000
const TIMEOUT_MAX_MS = 20_000

/**
 * Asks servers for their part of an answer, all within the time that a client gives. Resolves with those that were not
 * reached, or could not answer; what a server refuses is no failure, but nothing.
 */
export async function askServers<T>(
  app: App,
  wanted: ReadonlyMap<ServerName, T>,
  timeoutMs: number | undefined,
  ask: (server: ServerName, what: T, patience: Patience) => Promise<void>,
): Promise<ServerName[]> {
  if (wanted.size === 0) return []
  const failures: ServerName[] = []
  const queue = [...wanted]
  const timeout = Math.min(Math.max(timeoutMs ?? TIMEOUT_MS, 0), TIMEOUT_MAX_MS)
  const ended = new AbortController()
  const cancel = app.timers.after(timeout, () => ended.abort())
  async function work(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [server, what] = next
      try {
        await ask(server, what, { timeoutMs: timeout, signal: ended.signal })
      } catch (error) {
        if (!(error instanceof Unreachable || error instanceof Refused)) throw error
        if (error instanceof Unreachable || error.status >= 500) failures.push(server)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, queue.length) }, work))
  } finally {
    cancel()
  }
  return failures
}

/** What is wanted of which server; ours aside. */
export function byServer<T>(app: App, items: readonly T[], serverOf: (item: T) => ServerName): Map<ServerName, T[]> {
  const groups = new Map<ServerName, T[]>()
  for (const item of items) {
    const server = serverOf(item)
    if (server === app.serverName) continue
    const group = groups.get(server)
    if (group === undefined) groups.set(server, [item])
    else group.push(item)
  }
  return groups
}
