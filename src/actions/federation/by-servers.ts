import type { App } from '../../app.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { asMatrixError } from '../../remote/ask-server.ts'

/** Servers asked until one helps. */
const SERVERS_MAX = 10

/**
 * Does something in a room that this server is not in by way of one of these servers, asked in turn. Errors: what the
 * last one said, as far as clients know it; M_UNKNOWN (502) when it was away; M_NOT_FOUND without any.
 */
export async function byServers<T>(
  app: App,
  roomId: string,
  servers: readonly ServerName[],
  ask: (server: ServerName) => Promise<T>,
): Promise<T> {
  let failure = new MatrixError('M_NOT_FOUND', 'No server is known that could be in this room.')
  const others = [...new Set(servers)].filter((server) => server !== app.serverName && isServerName(server))
  for (const server of others.slice(0, SERVERS_MAX)) {
    try {
      return await ask(server)
    } catch (error) {
      failure = asMatrixError(server, error)
      app.log.info({ room: roomId, server, reason: failure.message }, 'a server did not help')
    }
  }
  throw failure
}
