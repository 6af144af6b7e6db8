import type { App } from '../../app.ts'
import { NEWS_ROWS, newsFor } from '../../store/log.ts'
import type { Viewer } from '../client-events.ts'

/** Kinds of log rows by room, `null` for those without a room; undefined: too many to look at, anything may be. */
export type News = ReadonlyMap<number | null, ReadonlySet<string>> | undefined

/** What the log says of the rooms, and to the device, in (since, to]: `member` is the kind of somebody's step. */
export async function newsSince(
  app: App,
  viewer: Viewer,
  rooms: readonly { readonly room: number }[],
  since: number,
  to: number,
): Promise<News> {
  if (to - since > NEWS_ROWS) return undefined
  const news = new Map<number | null, Set<string>>()
  if (to === since) return news
  const whose = { ...viewer, rooms: rooms.map(({ room }) => room) }
  for (const { room, kind, member } of await newsFor(app.db, whose, since, to)) {
    const kinds = news.get(room) ?? new Set()
    news.set(room, kinds.add(kind))
    if (member === 1) kinds.add('member')
  }
  return news
}
