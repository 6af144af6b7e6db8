import type { Database } from '../../src/db/database.ts'
import { sql } from '../../src/db/sql.ts'
import { HONEST } from './base.ts'

/** What one server holds of the room. */
export interface Picture {
  readonly server: string
  /** Event ids by type and state key. */
  readonly state: ReadonlyMap<string, string>
  readonly heads: readonly string[]
  readonly events: ReadonlyMap<string, HeldEvent>
  /** Ids of those that it has beside its history, from states that it was told. */
  readonly beside: ReadonlySet<string>
  /** Of the users in the room. */
  readonly servers: readonly string[]
  readonly members: ReadonlyMap<string, string>
  /** It was out of the room for a time, and does not know what was said meanwhile. */
  readonly wasAway: boolean
  readonly staged: number
  /** To-device messages, as the operations named them. */
  readonly messages: readonly string[]
}

export interface HeldEvent {
  readonly event_id: string
  readonly type: string
  readonly sender: string
  readonly rejected: number
  readonly soft_failed: number
  readonly redacted: number
  readonly redacts: string | null
  readonly content: string
}

export async function pictureOf(server: string, db: Database, roomId: string): Promise<Picture> {
  const room = sql`(SELECT room FROM rooms WHERE room_id = ${roomId})`
  const state = await db.read<{
    key: string
    event_id: string
  }>(sql`SELECT s.type || ' ' || s.state_key AS key, e.event_id
    FROM current_state s JOIN events e ON e.event = s.event WHERE s.room = ${room} ORDER BY key`)
  const heads = await db.read<{
    event_id: string
  }>(sql`SELECT e.event_id FROM heads h JOIN events e ON e.event = h.event
    WHERE h.room = ${room} ORDER BY e.event_id`)
  const events = await db.read<HeldEvent>(sql`SELECT event_id, type, sender, rejected, soft_failed, redacts,
    content,
    CASE WHEN redacted_by IS NULL THEN 0 ELSE 1 END AS redacted FROM events WHERE room = ${room} AND outlier = 0`)
  const beside = await db.read<{ event_id: string }>(
    sql`SELECT event_id FROM events WHERE room = ${room} AND outlier = 1 AND rejected = 0`,
  )
  const servers = await db.read<{ server: string }>(
    sql`SELECT server FROM room_servers WHERE room = ${room} AND to_position IS NULL ORDER BY server`,
  )
  const away = await db.read(
    sql`SELECT server FROM room_servers WHERE room = ${room} AND server = ${server} AND to_position IS NOT NULL`,
  )
  const members = await db.read<{ user_id: string; membership: string }>(
    sql`SELECT user_id, membership FROM memberships WHERE room = ${room} ORDER BY user_id`,
  )
  const [staged] = await db.read<{ count: number }>(sql`SELECT COUNT(*) AS count FROM staged_pdus`)
  const messages = await db.read<{ user_id: string; content: string }>(
    sql`SELECT user_id, content FROM to_device ORDER BY position`,
  )
  return {
    server,
    state: new Map(state.map((row) => [row.key, row.event_id])),
    heads: heads.map((row) => row.event_id),
    events: new Map(events.map((row) => [row.event_id, row])),
    beside: new Set(beside.map((row) => row.event_id)),
    servers: servers.map((row) => row.server),
    members: new Map(members.map((row) => [row.user_id, row.membership])),
    wasAway: away.length > 0,
    staged: staged?.count ?? 0,
    messages: messages.map((row) => `${row.user_id} ${(JSON.parse(row.content) as { count: number }).count}`),
  }
}

/**
 * In what the servers disagree that are all in the room: its state, its end, who is in it, which events there are.
 * Whether one was soft-failed is the server's own affair, as long as nobody rejects what another one accepts. `before`:
 * events that were there before some of the servers were.
 */
export function disagreements(pictures: readonly Picture[], before: ReadonlySet<string>): string[] {
  const [first, ...others] = pictures
  if (first === undefined) return []
  const found: string[] = []
  for (const other of others) {
    const pair = `${first.server} and ${other.server}`
    for (const [key, mine, theirs] of differing(first.state, other.state))
      found.push(`${pair} have other state under ${key}: ${mine} and ${theirs}`)
    if (first.heads.join() !== other.heads.join())
      found.push(`${pair} have other ends: ${first.heads} and ${other.heads}`)
    if (first.servers.join() !== other.servers.join())
      found.push(`${pair} count other servers: ${first.servers} and ${other.servers}`)
  }
  const there = pictures.filter(({ wasAway }) => !wasAway)
  const ids = new Set(there.flatMap(({ events }) => [...events.keys()]))
  for (const id of ids) if (!before.has(id)) found.push(...eventDisagreements(id, there))
  for (const picture of pictures) found.push(...contradictions(picture))
  return found
}

function eventDisagreements(id: string, pictures: readonly Picture[]): string[] {
  const held = pictures.flatMap(({ server, events, beside }) =>
    beside.has(id) ? [] : [{ server, event: events.get(id) }],
  )
  const accepted = held.filter(({ event }) => event?.rejected === 0 && event.soft_failed === 0)
  const found: string[] = []
  if (accepted.length === 0) return found
  for (const { server, event } of held) {
    const at = `${id} (${accepted[0]!.event!.type} of ${accepted[0]!.event!.sender})`
    if (event === undefined) found.push(`${server} lacks ${at}, which ${accepted[0]!.server} accepted`)
    else if (event.rejected === 1) found.push(`${server} rejected ${at}, which ${accepted[0]!.server} accepted`)
    else if (event.redacted !== accepted[0]!.event!.redacted && !isContested(id, pictures))
      found.push(`${server} and ${accepted[0]!.server} disagree whether ${at} is redacted`)
  }
  return found
}

/**
 * A server may have soft-failed the redaction, and does not show it then; or the redaction was redacted itself, and who
 * gets it after that cannot know any more what it named.
 */
function isContested(id: string, pictures: readonly Picture[]): boolean {
  return pictures.some(({ events }) =>
    [...events.values()].some(
      (event) =>
        (event.redacts === id && event.soft_failed === 1) ||
        (event.type === 'm.room.redaction' && event.redacted === 1 && (event.redacts ?? id) === id),
    ),
  )
}

/** What the tables of one server say of the same thing has to be the same. */
function contradictions(picture: Picture): string[] {
  const found: string[] = []
  const joined = new Set<string>()
  for (const [userId, membership] of picture.members) {
    if (membership === 'join') joined.add(userId.slice(userId.indexOf(':') + 1))
    const event = picture.events.get(picture.state.get(`m.room.member ${userId}`) ?? '')
    const said = event === undefined ? undefined : (JSON.parse(event.content) as { membership?: string }).membership
    if (said !== undefined && said !== membership)
      found.push(`${picture.server} lists ${userId} as ${membership}, and its state as ${said}`)
  }
  if ([...joined].sort().join() !== picture.servers.join())
    found.push(`${picture.server} counts the servers ${picture.servers}, but has members of ${[...joined].sort()}`)
  if (picture.staged > 0) found.push(`${picture.server} has ${picture.staged} events that wait`)
  return found
}

/** The to-device messages that did not arrive, or more than once. */
export function strayMessages(sent: readonly string[], pictures: readonly Picture[]): string[] {
  const arrived = new Map<string, number>()
  for (const message of pictures.flatMap(({ messages }) => messages))
    arrived.set(message, (arrived.get(message) ?? 0) + 1)
  const lost = sent.filter((message) => !arrived.has(message)).map((message) => `the message ${message} is lost`)
  const again = [...arrived].filter(([, times]) => times > 1).map(([message]) => `the message ${message} came twice`)
  return [...lost, ...again]
}

/** Events that a client was told of, and that a server of the room does not hold. */
export function lostEvents(promised: readonly string[], pictures: readonly Picture[]): string[] {
  return promised.flatMap((id) =>
    pictures.filter(({ events }) => !events.has(id)).map(({ server }) => `${server} does not hold ${id}, as promised`),
  )
}

function differing(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>) {
  const keys = new Set([...a.keys(), ...b.keys()])
  return [...keys].filter((key) => a.get(key) !== b.get(key)).map((key) => [key, a.get(key), b.get(key)] as const)
}

export function isInRoom(picture: Picture): boolean {
  return (HONEST as Readonly<Record<string, readonly string[]>>)[picture.server]!.some(
    (userId) => picture.members.get(userId) === 'join',
  )
}
