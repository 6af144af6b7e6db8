import type { App } from '../app.ts'
import type { Appservice } from '../live/appservices.ts'
import { type RoomRow, roomByAlias } from '../store/rooms.ts'
import { type UserRow, userById } from '../store/users.ts'
import { Unreachable } from './outbound.ts'

/** A client waits for the answer, and the application service for what it makes meanwhile by our Client-Server API. */
const TIMEOUT_MS = 20_000
const ANSWER_BYTES_MAX = 65_536

/**
 * A user of this server: one who is not there yet is asked for at the application services that may have them, and they
 * make them if they do (Application Service API, "Querying").
 */
export async function localUser(app: App, userId: string): Promise<UserRow | undefined> {
  const known = await userById(app.db, userId)
  if (known !== undefined) return known
  const asked = app.appservices.all.filter((appservice) => appservice.hasUser(userId))
  const made = await anyHas(app, asked, `/_matrix/app/v1/users/${encodeURIComponent(userId)}`)
  return made ? userById(app.db, userId) : undefined
}

/** The same for the room of an alias of this server. */
export async function roomOfLocalAlias(app: App, alias: string): Promise<RoomRow | undefined> {
  const known = await roomByAlias(app.db, alias)
  if (known !== undefined) return known
  const asked = app.appservices.all.filter((appservice) => appservice.hasAlias(alias))
  const made = await anyHas(app, asked, `/_matrix/app/v1/rooms/${encodeURIComponent(alias)}`)
  return made ? roomByAlias(app.db, alias) : undefined
}

async function anyHas(app: App, asked: readonly Appservice[], path: `/_matrix/app/v1/${string}`): Promise<boolean> {
  for (const appservice of asked) {
    const answer = () => has(app, appservice, path)
    if (await app.live.appserviceQueries.run(`${appservice.id} ${path}`, answer)) return true
  }
  return false
}

async function has(app: App, appservice: Appservice, path: `/_matrix/app/v1/${string}`): Promise<boolean> {
  if (appservice.url === undefined) return false
  try {
    const { status } = await app.remote.appservices.ask(appservice, {
      method: 'GET',
      path,
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_BYTES_MAX,
    })
    return status >= 200 && status < 300
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    app.log.info({ appservice: appservice.id, reason: error.message }, 'an application service does not answer')
    return false
  }
}
