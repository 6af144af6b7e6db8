import type { App } from '../../app.ts'
import { clientEventJson, eventAge, unsignedJson } from '../../core/client-event.ts'
import { isObject, own, parseJson } from '../../core/json.ts'
import { type EventRow, eventsByNumber } from '../../store/events.ts'
import { membershipOf } from '../../store/memberships.ts'
import { membershipOutside } from '../../store/out-of-band.ts'
import { relatedRows, shownEvent } from '../client-events.ts'
import type { KnownRoom } from './interest.ts'

export interface PlacedEvent {
  readonly event: EventRow
  readonly room: KnownRoom
  /** The event invites a user of the application service. */
  readonly invites: boolean
}

/**
 * Events as an application service gets them (Client-Server API, "Room event format"), as JSON texts in the order
 * given. It is shown what it is interested in whatever the settings of the room, with what the events replaced.
 */
export async function appserviceEvents(app: App, placed: readonly PlacedEvent[]): Promise<string[]> {
  const rows = placed.map(({ event }) => event)
  const related = await relatedRows(app, rows)
  const nowMs = app.clock.now()
  const texts: string[] = []
  for (const { event, room, invites } of placed) {
    const previous = related.get(event.previous ?? -1)
    const redaction = related.get(event.redacted_by ?? -1)
    const unsigned = unsignedJson({
      age: eventAge(event.origin_server_ts, nowMs),
      prevContentText: previous?.content,
      replacesState: previous?.event_id,
      redactedBy: redaction?.event_id,
      redactedBecauseText: redaction && shownEvent(redaction, room, undefined),
      inviteRoomStateText: invites ? await shownWithInvite(app, event) : undefined,
    })
    texts.push(shownEvent(event, room, unsigned))
  }
  return texts
}

/** What the invited may see of the room; nothing once the invite was answered. */
async function shownWithInvite(app: App, event: EventRow): Promise<string | null> {
  const row = await membershipOf(app.db, event.room, event.state_key ?? '')
  return row?.event === event.event ? row.stripped_state : null
}

/**
 * What another server made of a user of the application service in a room that we are not in, as an event; undefined
 * when that has changed again. Of an invite we know what it says, and not when it was sent.
 */
export async function outsideEvent(
  app: App,
  room: KnownRoom,
  { userId, eventId, position }: { readonly userId: string; readonly eventId: string; readonly position: number },
): Promise<string | undefined> {
  const membership = await membershipOutside(app.db, room.room, userId)
  if (membership?.position !== position) return undefined
  if (membership.event !== null) {
    const [row] = await eventsByNumber(app.db, [membership.event])
    return row && shownEvent(row, room, unsignedJson({ age: eventAge(row.origin_server_ts, app.clock.now()) }))
  }
  const shown = membership.stripped_state ?? '[]'
  const entries = parseJson(shown)
  const itself = (Array.isArray(entries) ? entries : []).find(
    (entry) => isObject(entry) && own(entry, 'type') === 'm.room.member' && own(entry, 'state_key') === userId,
  )
  const content = itself !== undefined && isObject(itself) ? own(itself, 'content') : undefined
  const knocks = membership.membership === 'knock'
  return clientEventJson(
    {
      eventId,
      roomId: room.roomId,
      type: 'm.room.member',
      stateKey: userId,
      sender: membership.sender,
      originServerTs: app.clock.now(),
      contentText: JSON.stringify(content ?? { membership: membership.membership }),
      version: { redactsInContent: false },
    },
    unsignedJson(knocks ? { knockRoomStateText: shown } : { inviteRoomStateText: shown }),
  )
}
