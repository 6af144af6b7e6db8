import type { App } from '../app.ts'
import { isHistoricalUserId, type ServerName, serverNameOf } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { localUser } from '../remote/appservice-queries.ts'
import { askServer, Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { profileOf } from '../store/profiles.ts'

/** A profile has at most 64 KiB; its JSON may be written with spaces and escapes. */
const ANSWER_BYTES_MAX = 524_288
const TIMEOUT_MS = 10_000

/**
 * The profile of any user: of another server's, as that server tells it. With `field` other servers are asked for that
 * one alone. Errors: M_INVALID_PARAM, M_NOT_FOUND, M_UNKNOWN (502) when the other server is away.
 */
export async function profile(app: App, userId: string, field?: string): Promise<JsonObject> {
  if (!isHistoricalUserId(userId)) throw new MatrixError('M_INVALID_PARAM', 'This is not a user id.')
  const server = serverNameOf(userId)
  return server === app.serverName ? localProfile(app, userId) : remoteProfile(app, server, userId, field)
}

/** Errors: M_NOT_FOUND, also for users who are gone. */
export async function localProfile(app: App, userId: string): Promise<JsonObject> {
  const user = await localUser(app, userId)
  if (user === undefined || user.deactivated === 1) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  return profileOf(app.db, userId)
}

/** Server-Server API, "Querying for information". */
async function remoteProfile(
  app: App,
  server: ServerName,
  userId: string,
  field: string | undefined,
): Promise<JsonObject> {
  const query = new URLSearchParams({ user_id: userId, ...(field === undefined ? {} : { field }) })
  const uri = `/_matrix/federation/v1/query/profile?${query}`
  try {
    return await askServer(app, server, { method: 'GET', uri, timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX })
  } catch (error) {
    if (error instanceof Refused) throw new MatrixError('M_NOT_FOUND', `${server} shows no such profile.`)
    if (error instanceof Unreachable) throw new MatrixError('M_UNKNOWN', `${server} cannot be reached.`, {}, 502)
    throw error
  }
}
