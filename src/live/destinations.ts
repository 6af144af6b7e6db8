import type { ServerName } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'

/** What waits for other servers in memory, and who may be spoken to again. */
export interface Destinations {
  /** Something that a restart may lose, such as who types. A newer one of the same key takes its place. */
  post(server: ServerName, key: string, edu: JsonObject): void
  /** What waits for the server, the oldest first. */
  waiting(server: ServerName, limit: number): readonly (readonly [key: string, edu: JsonObject])[]
  /** Was sent, unless something newer took its place meanwhile. */
  sent(server: ServerName, edus: readonly (readonly [key: string, edu: JsonObject])[]): void
  /** The server is alive, or something waits for it. */
  wake(server: ServerName): void
  /** The sender listens. Returns the way to stop. `alive`: the server spoke to us. */
  onWake(listener: (server: ServerName, alive: boolean) => void): () => void
}

/** Of one server: of more than that it can do without the oldest. */
const WAITING_MAX = 1_000
/** Of all servers: those go first to which nothing could be sent for longest. */
const TOGETHER_MAX = 100_000

export function createDestinations(): Destinations {
  const listeners = new Set<(server: ServerName, alive: boolean) => void>()
  /** In the order in which they were last empty. */
  const boxes = new Map<ServerName, Map<string, JsonObject>>()
  let together = 0

  function boxOf(server: ServerName): Map<string, JsonObject> {
    const known = boxes.get(server)
    if (known !== undefined) return known
    const box = new Map<string, JsonObject>()
    boxes.set(server, box)
    return box
  }

  function take(box: Map<string, JsonObject>, key: string): void {
    if (box.delete(key)) together--
  }

  function makeRoom(): void {
    for (const [server, box] of boxes) {
      if (together <= TOGETHER_MAX) return
      together -= box.size
      boxes.delete(server)
    }
  }

  return {
    post(server, key, edu) {
      const box = boxOf(server)
      take(box, key)
      box.set(key, edu)
      together++
      const oldest = box.keys().next()
      if (box.size > WAITING_MAX && !oldest.done) take(box, oldest.value)
      makeRoom()
      for (const listener of listeners) listener(server, false)
    },
    waiting: (server, limit) => [...(boxes.get(server) ?? [])].slice(0, limit),
    sent(server, edus) {
      const box = boxes.get(server)
      if (box === undefined) return
      for (const [key, edu] of edus) if (box.get(key) === edu) take(box, key)
      if (box.size === 0) boxes.delete(server)
    },
    wake(server) {
      for (const listener of listeners) listener(server, true)
    },
    onWake(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
