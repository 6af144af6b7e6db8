import type { App } from '../../app.ts'
import { own } from '../../core/json.ts'
import { joinedGuests } from '../../store/memberships.ts'
import { roomById } from '../../store/rooms.ts'
import { currentContent } from '../../store/state.ts'
import { changeMembership } from './change-membership.ts'

/** Guests read at once. */
const PAGE = 100

/**
 * In a room that takes no guests any more, the guests of this server leave (Client-Server API, "Guest Access"). Done
 * again, it finishes what was interrupted.
 */
export async function expelGuests(app: App, roomId: string): Promise<void> {
  const setting = await currentContent(app.db, roomId, 'm.room.guest_access', '')
  const room = await roomById(app.db, roomId)
  if (room === undefined || (setting !== undefined && own(setting, 'guest_access') === 'can_join')) return
  for (let last = ''; ; ) {
    const guests = await joinedGuests(app.db, room.room, last, PAGE)
    for (const { user_id: guest } of guests) {
      last = guest
      try {
        await changeMembership(app, { roomId, sender: guest, target: guest, membership: 'leave' })
      } catch (error) {
        app.log.warn({ err: error, room: roomId, user: guest }, 'a guest could not be taken out of a room')
      }
    }
    if (guests.length < PAGE) return
  }
}
