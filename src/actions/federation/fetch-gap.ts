import type { App } from '../../app.ts'
import type { EventId, ServerName } from '../../core/ids.ts'
import { own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { askServer, federationPath, Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { knownInHistory } from '../../store/pdus.ts'
import { serversIn } from '../../store/room-servers.ts'
import { headsOf } from '../../store/rooms.ts'
import { type Source, verifiedIn } from './fetch-missing.ts'
import { inOrder } from './in-order.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

/** Events asked for at once, and questions about one gap to one server. */
const GAP_EVENTS = 20
const GAP_ROUNDS = 5
/** Servers asked for what an event rests on. */
const SERVERS_MAX = 4

/** The server that sent an event, and others of the room, which may have what that one does not give. */
export async function sourcesFor(app: App, source: Source): Promise<readonly Source[]> {
  const others = (await serversIn(app.db, source.room)).filter((server) => server !== app.serverName)
  const servers = [...new Set<ServerName>([source.server, ...others])].slice(0, SERVERS_MAX)
  return servers.map((server) => ({ ...source, server }))
}

/** What the first of the sources says that answers. Errors: that of the first one. */
export async function fromAny<Result>(
  sources: readonly Source[],
  ask: (source: Source) => Promise<Result>,
): Promise<Result> {
  const failures: unknown[] = []
  for (const source of sources) {
    try {
      return await ask(source)
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof Refused || error instanceof MatrixError)) throw error
      failures.push(error)
    }
  }
  throw failures[0]
}

/**
 * The events between what we hold of the room and this one (Server-Server API, "Retrieving missing events"), each after
 * its predecessors: as many as the servers give in a few rounds. Errors: Unreachable when some are missing and the
 * first server does not answer.
 */
export async function missingBetween(
  app: App,
  sources: readonly Source[],
  event: VerifiedEvent,
): Promise<readonly VerifiedEvent[]> {
  const earliest = (await headsOf(app.db, sources[0]!.room)).map((head) => head.event_id)
  const found = new Map<EventId, VerifiedEvent>()
  let gap: Gap = { needed: new Map(), open: [event.eventId] }
  let silence: Unreachable | undefined
  for (const source of sources) {
    for (let round = 0; round < GAP_ROUNDS && gap.open.length > 0; round++) {
      const before = found.size
      try {
        const given = await ask(app, source, earliest, gap.open)
        for (const one of given) if (one.eventId !== event.eventId) found.set(one.eventId, one)
      } catch (error) {
        if (!(error instanceof Unreachable || error instanceof Refused)) throw error
        if (error instanceof Unreachable && source === sources[0]) silence = error
      }
      if (found.size === before) break
      gap = await gapBefore(app, event, found)
    }
  }
  if (silence !== undefined && gap.open.length > 0) throw silence
  return inOrder([event], gap.needed, (one) => one.prevEvents).filter((one) => one !== event)
}

async function ask(
  app: App,
  source: Source,
  earliest: readonly EventId[],
  latest: readonly EventId[],
): Promise<readonly VerifiedEvent[]> {
  const content = { earliest_events: earliest, latest_events: latest, limit: GAP_EVENTS, min_depth: 0 }
  const uri = federationPath`/v1/get_missing_events/${source.roomId}`
  const answer = await askServer(app, source.server, { method: 'POST', uri, content })
  return verifiedIn(app, source, own(answer, 'events') ?? [])
}

interface Gap {
  /** The events found that are really between: servers also tell of what stands before. */
  readonly needed: ReadonlyMap<EventId, VerifiedEvent>
  /** Those of them, or the last one itself, with predecessors that nobody gave yet. */
  readonly open: readonly EventId[]
}

async function gapBefore(app: App, event: VerifiedEvent, found: ReadonlyMap<EventId, VerifiedEvent>): Promise<Gap> {
  const needed = new Map<EventId, VerifiedEvent>()
  const open = new Set<EventId>()
  for (let level: readonly VerifiedEvent[] = [event]; level.length > 0; ) {
    const known = await knownInHistory(app.db, [...new Set(level.flatMap((one) => one.prevEvents))])
    const next = new Map<EventId, VerifiedEvent>()
    for (const one of level) {
      for (const id of one.prevEvents) {
        if (known.has(id)) continue
        const earlier = found.get(id)
        if (earlier === undefined) open.add(one.eventId)
        else if (!needed.has(id)) next.set(id, earlier)
      }
    }
    for (const [id, one] of next) needed.set(id, one)
    level = [...next.values()]
  }
  return { needed, open: [...open] }
}
