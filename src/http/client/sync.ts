import { Type } from '@sinclair/typebox'
import { forgetToDevice } from '../../actions/keys/send-to-device.ts'
import type { App } from '../../app.ts'
import { type Filter, parseFilter, parseFilterText } from '../../core/filter.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { storedFilter } from '../../store/filters.ts'
import { sync as view } from '../../views/sync/sync.ts'
import { readSyncToken } from '../../views/tokens.ts'
import { endpoint } from '../endpoint.ts'
import { SetPresence, whilePresent } from '../while-present.ts'

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
    set_presence: SetPresence,
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

/** A filter is given as JSON, or by the id under which it was stored. */
async function filterOf(app: App, userId: string, filter: string | undefined): Promise<Filter> {
  if (filter === undefined || filter === '') return parseFilter({})
  if (filter.startsWith('{')) return parseFilterText(filter)
  const stored = /^\d{1,15}$/.test(filter) ? await storedFilter(app.db, userId, Number(filter)) : undefined
  if (stored === undefined) throw new MatrixError('M_INVALID_PARAM', 'No filter is stored under this id.')
  return parseFilterText(stored)
}
