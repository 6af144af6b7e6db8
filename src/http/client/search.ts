import { Type } from '@sinclair/typebox'
import { parseEventFilter } from '../../core/filter.ts'
import type { JsonValue } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { SEARCHABLE_KEYS } from '../../core/searchable.ts'
import { type GroupKey, search as searchEvents } from '../../views/search.ts'
import { searchAnswer } from '../../views/search-answer.ts'
import { endpoint } from '../endpoint.ts'

const MAX_TERM_LENGTH = 1_024
const MAX_ENTRIES = 10
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 50
const DEFAULT_AROUND = 5
const MAX_AROUND = 20

const Around = Type.Object({
  before_limit: Type.Optional(Type.Integer({ minimum: 0 })),
  after_limit: Type.Optional(Type.Integer({ minimum: 0 })),
  include_profile: Type.Optional(Type.Boolean()),
})

const RoomEvents = Type.Object({
  search_term: Type.String({ maxLength: MAX_TERM_LENGTH }),
  keys: Type.Optional(Type.Array(Type.String(), { maxItems: MAX_ENTRIES })),
  filter: Type.Optional(Type.Unknown()),
  order_by: Type.Optional(Type.Union([Type.Literal('rank'), Type.Literal('recent')])),
  event_context: Type.Optional(Around),
  include_state: Type.Optional(Type.Boolean()),
  groupings: Type.Optional(
    Type.Object({
      group_by: Type.Optional(
        Type.Array(Type.Object({ key: Type.Union([Type.Literal('room_id'), Type.Literal('sender')]) }), {
          maxItems: MAX_ENTRIES,
        }),
      ),
    }),
  ),
})

/** Client-Server API, "Server Side Search". */
export const search = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/search',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  query: Type.Object({ next_batch: Type.Optional(Type.String()) }),
  body: Type.Object({ search_categories: Type.Object({ room_events: Type.Optional(RoomEvents) }) }),
  async handle(app, { user, query, body }) {
    if (!app.config.sync_api.search.enabled)
      throw new MatrixError('M_UNKNOWN', 'Searching is switched off on this server.')
    const wanted = body.search_categories.room_events
    if (wanted === undefined) return { search_categories: {} }
    const filter = parseEventFilter(wanted.filter as JsonValue | undefined)
    const page = await searchEvents(app, {
      viewer: user,
      term: wanted.search_term,
      keys: wanted.keys ?? SEARCHABLE_KEYS,
      filter,
      order: wanted.order_by ?? 'rank',
      limit: Math.min(Math.max(filter.limit ?? DEFAULT_LIMIT, 1), MAX_LIMIT),
      nextBatch: query.next_batch,
      groupBy: (wanted.groupings?.group_by ?? []).map(({ key }): GroupKey => key),
    })
    const around = wanted.event_context
    return searchAnswer(app, page, {
      viewer: user,
      around: around && {
        before: Math.min(around.before_limit ?? DEFAULT_AROUND, MAX_AROUND),
        after: Math.min(around.after_limit ?? DEFAULT_AROUND, MAX_AROUND),
        profiles: around.include_profile ?? false,
      },
      state: wanted.include_state ?? false,
    })
  },
})
