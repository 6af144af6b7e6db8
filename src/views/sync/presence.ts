import { eventFilterMatches, filterExcludesAll } from '../../core/filter.ts'
import { presenceOfMet, presenceSince } from '../../store/presence.ts'
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
  const since = request.fullState ? 0 : scope.since
  const rows = await presenceSince(app.db, request.viewer.userId, since)
  const met = membersChanged && since > 0 ? await presenceOfMet(app.db, request.viewer.userId, since) : []
  return [...rows, ...met]
    .filter((row) => eventFilterMatches(filter, { type: 'm.presence', sender: row.user_id }))
    .map((row) => JSON.stringify({ type: 'm.presence', sender: row.user_id, content: shownPresence(app, row) }))
}
