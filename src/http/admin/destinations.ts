import { Type } from '@sinclair/typebox'
import { retryServer } from '../../actions/federation/retry-server.ts'
import type { App } from '../../app.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { SERVER_PAUSES, wholePauseMs } from '../../live/pauses.ts'
import {
  countDestinations,
  countRoomsOfDestination,
  type ListedDestination,
  listDestinations,
  listedDestination,
  roomsOfDestination,
} from '../../store/admin-destinations.ts'
import { text } from '../texts.ts'
import { adminEndpoint } from './administrator.ts'
import { Direction, Page, pageOf } from './paging.ts'

const PATH = '/_synapse/admin/v1/federation/destinations'
const SEARCH_LENGTH_MAX = 255
const Params = Type.Object({ destination: Type.String() })

/** The servers that this one federates with, as the administration API of Synapse has them. */
export const listServers = adminEndpoint({
  method: 'GET',
  path: PATH,
  query: Type.Object({
    ...Page,
    destination: Type.Optional(text(SEARCH_LENGTH_MAX)),
    order_by: Type.Optional(text(SEARCH_LENGTH_MAX)),
    dir: Direction,
  }),
  async handle(app, { query }) {
    const search = {
      ...pageOf(query),
      text: query.destination ?? '',
      order: query.order_by ?? 'destination',
      backwards: query.dir === 'b',
    }
    const { serverName } = app
    const rows = await listDestinations(app.db, serverName, search)
    const total = await countDestinations(app.db, serverName, search)
    const next = search.from + rows.length
    return { destinations: rows.map(wire), total, ...(next < total && { next_token: String(next) }) }
  },
})

export const getServer = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{destination}`,
  params: Params,
  handle: async (app, { params }) => wire(await knownServer(app, params.destination)),
})

export const listRoomsOfServer = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{destination}/rooms`,
  params: Params,
  query: Type.Object({ ...Page, dir: Direction }),
  async handle(app, { params, query }) {
    const { server } = await knownServer(app, params.destination)
    const page = pageOf(query)
    const rooms = await roomsOfDestination(app.db, server, { ...page, backwards: query.dir === 'b' })
    const total = await countRoomsOfDestination(app.db, server)
    const next = page.from + rooms.length
    return { rooms, total, ...(next < total && { next_token: String(next) }) }
  },
})

/** A server that is left alone because it did not answer is asked again now. */
export const resetConnection = adminEndpoint({
  method: 'POST',
  path: `${PATH}/{destination}/reset_connection`,
  rateLimit: 'other',
  params: Params,
  async handle(app, { params }) {
    const { server, retry_at: retryAt } = await knownServer(app, params.destination)
    if (retryAt === null) throw new MatrixError('M_UNKNOWN', 'The server is not left alone: it answers.')
    await retryServer(app, server as ServerName)
    return {}
  },
})

async function knownServer(app: App, name: string): Promise<ListedDestination> {
  const row = isServerName(name) ? await listedDestination(app.db, app.serverName, name) : undefined
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'This server has to do with no such server.')
  return row
}

/** Only the end of a pause is kept: when the last failure was follows from it, and the first is not known. */
function wire({ server, position, failures, retry_at: retryAt }: ListedDestination) {
  const pauseMs = retryAt === null ? 0 : wholePauseMs(SERVER_PAUSES, failures - 1)
  const failedTs = retryAt === null ? 0 : retryAt - pauseMs
  return {
    destination: server,
    retry_last_ts: failedTs,
    retry_interval: pauseMs,
    failure_ts: retryAt === null ? null : failedTs,
    last_successful_stream_ordering: position,
  }
}
