import type { App } from '../app.ts'
import { type ServerName, serverNameOf } from '../core/ids.ts'
import { MEMBERS_KNOWN, NO_MEMBERS_LACKED } from '../live/room-members.ts'
import { DEVICE_LIST } from '../store/device-lists.ts'
import { OUTBOUND_EDU, RELAY, SERVER_ALIVE } from '../store/federation-outbox.ts'
import type { StoredLogRow } from '../store/log.ts'
import { pdusById } from '../store/pdus.ts'
import { serversIn, serversSharing } from '../store/room-servers.ts'

/** Which other servers something in the log concerns. */
export interface Audience {
  of(rows: readonly StoredLogRow[]): Promise<{
    readonly concerned: ReadonlySet<ServerName>
    /** They spoke to another process of ours. */
    readonly alive: ReadonlySet<ServerName>
  }>
}

/** Servers known of so many rooms. */
const ROOMS_MAX = 1_000

export function createAudience(app: App): Audience {
  /** Servers of rooms that were asked for lately. */
  const known = new Map<number, readonly ServerName[]>()

  async function serversOf(room: number): Promise<readonly ServerName[]> {
    const found = known.get(room) ?? (await serversIn(app.db, room))
    if (known.size >= ROOMS_MAX) known.clear()
    known.set(room, found)
    return found
  }

  async function serversOfEvent(eventId: string): Promise<readonly ServerName[]> {
    const [event] = await pdusById(app.db, [eventId])
    return event === undefined ? [] : serversOf(event.room)
  }

  async function serversOfList({ subject, user_id: told }: StoredLogRow): Promise<readonly ServerName[]> {
    const isOurs = subject !== null && serverNameOf(subject) === app.serverName
    return isOurs && told === null ? serversSharing(app.db, subject) : []
  }

  async function serversOfRow(row: StoredLogRow): Promise<readonly ServerName[]> {
    if (row.kind === RELAY) return serversOfEvent(row.subject ?? '')
    if (row.kind === DEVICE_LIST) return serversOfList(row)
    if (row.kind === OUTBOUND_EDU) return [row.subject as ServerName]
    // Servers without members are gone with that.
    if ((row.kind === MEMBERS_KNOWN || row.kind === NO_MEMBERS_LACKED) && row.room !== null) known.delete(row.room)
    if (row.room === null || (row.kind !== 'event' && row.kind !== 'membership')) return []
    const before = await serversOf(row.room)
    if (row.user_id === null) return before
    // Who comes or goes changes the servers, and hears of it in any case.
    known.delete(row.room)
    return [...before, serverNameOf(row.user_id), ...(await serversOf(row.room))]
  }

  return {
    async of(rows) {
      const concerned = new Set<ServerName>()
      for (const row of rows) for (const server of await serversOfRow(row)) concerned.add(server)
      concerned.delete(app.serverName)
      const alive = rows.filter((row) => row.kind === SERVER_ALIVE).map((row) => row.subject as ServerName)
      return { concerned, alive: new Set(alive) }
    },
  }
}
