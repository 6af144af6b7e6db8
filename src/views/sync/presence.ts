import { eventFilterMatches, filterExcludesAll } from '../../core/filter.ts'
import { type PresenceRow, presenceAround, presenceOfMet, presenceSince } from '../../store/presence.ts'
import { shownPresence } from '../presence.ts'
import { hasNews, type Scope } from './scope.ts'

/**
 * Presence that the client lacks, as JSON texts of events: what changed, and that of those whom the user meets only
 * now. `membersChanged`: somebody came into one of the rooms, or the user did.
 */
export async function readPresence(scope: Scope, membersChanged: boolean): Promise<string[]> {
  const { app, request } = scope
  const filter = request.filter.presence
  if (!app.config.global.presence.enable_outbound || filterExcludesAll(filter)) return []
  if (!membersChanged && !hasNews(scope, null, 'presence')) return []
  const rows = await presenceRows(scope, membersChanged)
  return rows
    .filter((row) => eventFilterMatches(filter, { type: 'm.presence', sender: row.user_id }))
    .map((row) => JSON.stringify({ type: 'm.presence', sender: row.user_id, content: shownPresence(app, row) }))
}

async function presenceRows(scope: Scope, membersChanged: boolean): Promise<readonly PresenceRow[]> {
  const { app, request, since, initial, news } = scope
  const { userId } = request.viewer
  if (request.fullState || initial || news === undefined) return presenceAround(app.db, userId)
  const rows = await presenceSince(app.db, userId, since)
  return membersChanged ? [...rows, ...(await presenceOfMet(app.db, userId, since))] : rows
}
