import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { logPosition, type Sql } from '../../db/sql.ts'
import { insertEvent } from '../../store/events.ts'
import { changeMembership } from '../../store/memberships.ts'
import { outOfBand } from '../../store/out-of-band.ts'
import { pdusById } from '../../store/pdus.ts'
import { knowRoomOutside } from '../../store/room-takeover.ts'
import { roomById } from '../../store/rooms.ts'
import { storable, textOf } from '../rooms/state-consequences.ts'
import { write } from '../write.ts'

/**
 * What a member event makes of one of our users in a room that this server is not in: invited, knocking, or gone.
 * `shown`: what its servers let see of the room. Without a room at hand the event has no place in any history; one that
 * ends the membership is kept all the same, as the user's own news.
 */
export async function setMembershipOutside(app: App, event: Event, shown?: readonly JsonObject[]): Promise<void> {
  const known = await roomById(app.db, event.roomId)
  const room = known?.room ?? (await app.db.nextId('room'))
  const userId = event.stateKey ?? ''
  const membership = textOf(event.content, 'membership') ?? 'leave'
  const ends = membership === 'leave' || membership === 'ban'
  const [stored] = ends ? await pdusById(app.db, [event.eventId]) : []
  const number = ends ? (stored?.event ?? (await app.db.nextId('event'))) : null
  const writes: Sql[] = known === undefined ? [knowRoomOutside(room, event.roomId, event.version.id)] : []
  if (number !== null && stored === undefined) writes.push(...asOutlier(event, room, number))
  const change = {
    room,
    userId,
    membership,
    event: number,
    sender: event.sender,
    position: logPosition(0),
    strippedState: shown === undefined ? null : canonicalJson(shown),
    displayname: storable(textOf(event.content, 'displayname')),
    avatarUrl: storable(textOf(event.content, 'avatar_url')),
  }
  writes.push(...changeMembership(change), outOfBand(room, userId))
  const log = [{ kind: 'membership', room, user: userId, subject: event.eventId }]
  await write(app, { guards: [], writes, log })
}

function asOutlier(event: Event, room: number, number: number): Sql[] {
  const nowhere = { topo: 0, snapshot: null, historyVisibility: 'joined', previous: null }
  const place = { ...nowhere, event: number, room, position: logPosition(0), aside: 'outlier' as const }
  return insertEvent(event, place, [])
}
