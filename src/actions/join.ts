import type { App } from '../app.ts'
import type { EventId } from '../core/ids.ts'
import { carryOver } from './carry-over.ts'
import { changeMembership, type MembershipWish } from './change-membership.ts'

/**
 * Joins a room as a local user; one that replaces a room of the user's takes over what the user has set for the old
 * one. Errors: those of `changeMembership`.
 */
export async function join(app: App, wish: Omit<MembershipWish, 'membership'>): Promise<EventId> {
  const eventId = await changeMembership(app, { ...wish, membership: 'join' })
  await carryOver(app, wish.target, wish.roomId)
  return eventId
}
