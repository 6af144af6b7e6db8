import { Type } from '@sinclair/typebox'
import { forgetToDevice } from '../../actions/send-to-device.ts'
import { noticeAbsence, noticeHiding, noticePresence, type Presence, presenceIsOn } from '../../actions/set-presence.ts'
import type { App } from '../../app.ts'
import { type Filter, parseFilter, parseFilterText } from '../../core/filter.ts'
import type { LongText } from '../../core/long-text.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { storedFilter } from '../../store/filters.ts'
import { sync as view } from '../../views/sync/sync.ts'
import { readSyncToken } from '../../views/tokens.ts'
import { endpoint } from '../endpoint.ts'

/** Flags that ask for the state after the timeline, and the key it comes under: clients still use the old one. */
const STATE_AFTER = [
  ['use_state_after', 'state_after'],
  ['org.matrix.msc4222.use_state_after', 'org.matrix.msc4222.state_after'],
] as const

/** Client-Server API, "Syncing". */
export const sync = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/sync',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  query: Type.Object({
    filter: Type.Optional(Type.String()),
    since: Type.Optional(Type.String()),
    full_state: Type.Optional(Type.Boolean()),
    use_state_after: Type.Optional(Type.Boolean()),
    'org.matrix.msc4222.use_state_after': Type.Optional(Type.Boolean()),
    set_presence: Type.Optional(
      Type.Union([Type.Literal('offline'), Type.Literal('online'), Type.Literal('unavailable')]),
    ),
    timeout: Type.Optional(Type.Integer()),
  }),
  async handle(app, { user, query, signal }) {
    const got = query.since === undefined ? undefined : readSyncToken(query.since).toDevice
    if (got !== undefined) await forgetToDevice(app, user, got)
    const filter = await filterOf(app, user.userId, query.filter)
    return whilePresent(app, user.userId, query.set_presence ?? 'online', () =>
      view(app, {
        viewer: user,
        since: query.since,
        filter,
        filterText: query.filter ?? '',
        fullState: query.full_state ?? false,
        stateAfterKey: STATE_AFTER.find(([flag]) => query[flag] === true)?.[1],
        timeoutMs: query.timeout ?? 0,
        signal,
      }),
    )
  },
})

/** Who syncs is there, unless the client says otherwise; who does not sync any more goes offline after a while. */
async function whilePresent(
  app: App,
  userId: string,
  presence: Presence,
  poll: () => Promise<LongText>,
): Promise<LongText> {
  if (!presenceIsOn(app)) return poll()
  if (presence === 'offline') {
    await noticeHiding(app, userId)
    return poll()
  }
  app.live.presence.began(userId)
  try {
    await noticePresence(app, userId, presence)
    return await poll()
  } finally {
    app.live.presence.ended(userId, () => {
      noticeAbsence(app, userId).catch((error) => app.log.warn({ err: error }, 'presence was not stored'))
    })
  }
}

/** A filter is given as JSON, or by the id under which it was stored. */
async function filterOf(app: App, userId: string, filter: string | undefined): Promise<Filter> {
  if (filter === undefined || filter === '') return parseFilter({})
  if (filter.startsWith('{')) return parseFilterText(filter)
  const stored = /^\d{1,15}$/.test(filter) ? await storedFilter(app.db, userId, Number(filter)) : undefined
  if (stored === undefined) throw new MatrixError('M_INVALID_PARAM', 'No filter is stored under this id.')
  return parseFilterText(stored)
}
