import { heroesOf } from '../../store/memberships.ts'
import type { Scope, SyncRoom } from './scope.ts'
import type { Timeline } from './timeline.ts'

/** The members who name a room that has no name, of every room whose summary may have changed. */
export async function readHeroes(scope: Scope, timelines: readonly Timeline[]): Promise<Map<number, string[]>> {
  const nameless = timelines.filter((timeline) => hasSummary(timeline) && !hasName(timeline.room))
  const heroes = new Map<number, string[]>(nameless.map((timeline) => [timeline.room.room, []]))
  if (nameless.length === 0) return heroes
  const rows = await heroesOf(scope.app.db, [...heroes.keys()], scope.request.viewer.userId)
  for (const row of rows) heroes.get(row.room)?.push(row.user_id)
  return heroes
}

function hasName(room: SyncRoom): boolean {
  return Boolean(room.name) || Boolean(room.canonical_alias)
}

function hasSummary(timeline: Timeline): boolean {
  return timeline.room.membership === 'join' && (timeline.room.wholeState || timeline.membersChanged)
}

/** The room's `summary` as JSON text; undefined: nothing of it changed. */
export function summaryJson(timeline: Timeline, heroes: readonly string[] | undefined): string | undefined {
  if (!hasSummary(timeline)) return undefined
  return JSON.stringify({
    ...(heroes === undefined ? {} : { 'm.heroes': heroes }),
    'm.joined_member_count': timeline.room.joined_members,
    'm.invited_member_count': timeline.room.invited_members,
  })
}
