import type { App } from '../../app.ts'
import type { AuthEvent, Event } from '../../core/event.ts'
import { serverNameOf } from '../../core/ids.ts'
import { canonicalJson, type JsonObject, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type PowerLevels, powerLevelsOf } from '../../core/power-levels.ts'
import { redactPdu } from '../../core/redact.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { stateMapKey } from '../../core/state/map.ts'
import { pdusById, pdusByNumber, stateEventOf } from '../../store/pdus.ts'
import {
  forgetProfileIn,
  type Left,
  type RedactableRow,
  redactableEvent,
  redactEvent,
  redactionsOf,
} from '../../store/redactions.ts'
import { updateSummary } from '../../store/rooms.ts'
import { type Draft, entryOf } from './room-draft.ts'
import { summaryOf } from './state-consequences.ts'

/** A room without its creation or its access list is no use to anybody, and neither comes back. */
const NEVER_REDACTED: ReadonlySet<string> = new Set(['m.room.create', 'm.room.server_acl'])

/**
 * Whether a local user may send this redaction, which the rules of the room let in (Client-Server API, "Redactions").
 * Errors: M_NOT_FOUND; M_FORBIDDEN for the event of somebody else without the redact level; M_INVALID_PARAM for an
 * event of another room.
 */
export async function checkRedaction(app: App, draft: Draft, redaction: Event): Promise<void> {
  const target = redaction.redacts && (await redactableEvent(app.db, redaction.redacts))
  if (!target) throw new MatrixError('M_NOT_FOUND', 'The event to redact is not known.')
  if (target.room !== draft.tip.room)
    throw new MatrixError('M_INVALID_PARAM', 'The event to redact is in another room.')
  if (NEVER_REDACTED.has(target.type)) throw new MatrixError('M_FORBIDDEN', `${target.type} cannot be redacted.`)
  if (target.sender === redaction.sender) return
  const levels = await levelsOf(app, draft)
  if (!(levels.ofUser(redaction.sender) >= levels.redact))
    throw new MatrixError('M_FORBIDDEN', `Redacting the events of others takes level ${levels.redact}.`)
}

/**
 * Redacts the event that an accepted redaction names, if we have it and the redaction may: what the room's state, its
 * summary and the list of members repeat of the event goes too. `by` is the number of the redaction.
 */
export async function applyRedaction(app: App, draft: Draft, redaction: Event, by: number): Promise<void> {
  const target = redaction.redacts && (await redactableEvent(app.db, redaction.redacts))
  if (target) await applyTo(app, draft, redaction, by, target)
}

/** Redacts an event that comes after its redaction, in the batch that brings it. `number` is its own. */
export async function applyEarlierRedactions(app: App, draft: Draft, event: Event, number: number): Promise<void> {
  const earlier = await redactionsOf(app.db, draft.tip.room, event.eventId)
  if (earlier.length === 0) return
  const { type, stateKey, sender } = event
  const { content, ...envelope } = event.pdu as Record<string, JsonObject>
  const texts = { content: canonicalJson(content!), envelope: canonicalJson(envelope) }
  const target = { event: number, room: draft.tip.room, type, state_key: stateKey, sender, ...texts }
  const numbers = earlier.map((redaction) => redaction.event)
  for (const row of await pdusByNumber(app.db, numbers)) await applyTo(app, draft, stateEventOf(row), row.event, target)
}

async function applyTo(app: App, draft: Draft, redaction: AuthEvent, by: number, target: RedactableRow): Promise<void> {
  if (target.room !== draft.tip.room || NEVER_REDACTED.has(target.type)) return
  if (!(await takesEffect(app, draft, redaction, target))) return
  const left = leftOf(draft.tip.version, target)
  draft.writes.push(...redactEvent(target.event, by, left, app.clock.now()))
  if (target.state_key !== null) await redactState(app, draft, target, parseJson(left.content) as JsonObject)
}

/** What redaction leaves of an event in a room of this version. */
export function leftOf(version: RoomVersion, row: Left): Left {
  const pdu = { ...(parseJson(row.envelope) as JsonObject), content: parseJson(row.content) }
  const { content, ...envelope } = redactPdu(version, pdu) as Record<string, JsonObject>
  return { content: canonicalJson(content!), envelope: canonicalJson(envelope) }
}

/**
 * Room version 3, "Handling redactions". In versions 1 and 2 the authorisation rules have decided. The levels are those
 * that the redaction names: whatever came first where, all servers decide alike.
 */
async function takesEffect(app: App, draft: Draft, redaction: AuthEvent, target: RedactableRow): Promise<boolean> {
  if (draft.tip.version.redactionInAuth) return true
  if (serverNameOf(redaction.sender) === serverNameOf(target.sender)) return true
  const create = await entryOf(app, draft, 'm.room.create', '')
  const current = (await entryOf(app, draft, 'm.room.power_levels', ''))?.value
  const isNamed = current !== undefined && redaction.authEvents.includes(current.eventId)
  const named = isNamed ? current : await namedLevels(app, redaction)
  const levels = powerLevelsOf(draft.tip.version, create?.value, named)
  return levels.ofUser(redaction.sender) >= levels.redact
}

async function namedLevels(app: App, redaction: AuthEvent): Promise<AuthEvent | undefined> {
  const rows = await pdusById(app.db, redaction.authEvents)
  const row = rows.find(({ type, state_key }) => type === 'm.room.power_levels' && state_key === '')
  return row && stateEventOf(row)
}

async function redactState(app: App, draft: Draft, target: RedactableRow, content: JsonObject): Promise<void> {
  const { tip } = draft
  const stateKey = target.state_key ?? ''
  const current = await entryOf(app, draft, target.type, stateKey)
  if (current?.event !== target.event) return
  const entry = { event: target.event, value: { ...current.value, content } }
  tip.state.set(stateMapKey(target.type, stateKey), entry)
  if (target.type === 'm.room.member') draft.writes.push(forgetProfileIn(tip.room, target.event))
  if (stateKey === '') draft.writes.push(...updateSummary(tip.room, target.type, summaryOf(target.type, entry)))
}

async function levelsOf(app: App, draft: Draft): Promise<PowerLevels> {
  const create = await entryOf(app, draft, 'm.room.create', '')
  const levels = await entryOf(app, draft, 'm.room.power_levels', '')
  return powerLevelsOf(draft.tip.version, create?.value, levels?.value)
}
