import { Type } from '@sinclair/typebox'
import { countMediaUsers, listMediaUse } from '../../store/admin-media.ts'
import { text } from '../texts.ts'
import { adminEndpoint } from './administrator.ts'
import { Direction, Page, pageOf } from './paging.ts'

const SEARCH_LENGTH_MAX = 255
const TIME_MAX = 8_640_000_000_000_000
const Time = Type.Optional(Type.Integer({ minimum: 0, maximum: TIME_MAX }))

/** How much of the media is whose, as the administration API of Synapse has it. */
export const getMediaStatistics = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/statistics/users/media',
  query: Type.Object({
    ...Page,
    order_by: Type.Optional(text(SEARCH_LENGTH_MAX)),
    dir: Direction,
    from_ts: Time,
    until_ts: Time,
    search_term: Type.Optional(text(SEARCH_LENGTH_MAX)),
  }),
  async handle(app, { query }) {
    const search = {
      ...pageOf(query),
      text: query.search_term ?? '',
      fromMs: query.from_ts ?? 0,
      untilMs: query.until_ts ?? TIME_MAX,
      order: query.order_by ?? 'user_id',
      backwards: query.dir === 'b',
    }
    const [rows, total] = [await listMediaUse(app.db, search), await countMediaUsers(app.db, search)]
    const next = search.from + rows.length
    return {
      users: rows.map((row) => ({
        ...row,
        displayname: row.displayname === null ? null : JSON.parse(row.displayname),
      })),
      total,
      ...(next < total && { next_token: next }),
    }
  },
})
