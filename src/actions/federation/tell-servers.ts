import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { serversIn, serversSharing } from '../../store/room-servers.ts'

/** An EDU that a restart may lose (Server-Server API, "EDUs"), and what it is about: a newer one replaces it. */
export interface Notice {
  readonly key: string
  readonly type: string
  readonly content: JsonObject
}

/** Tells the other servers in a room. */
export async function tellRoom(app: App, room: number, notice: Notice): Promise<void> {
  if (app.config.global.disable_federation) return
  post(app, await serversIn(app.db, room), notice)
}

/** Tells the other servers in any room of the user. */
export async function tellNeighbours(app: App, userId: string, notice: Notice): Promise<void> {
  if (app.config.global.disable_federation) return
  post(app, await serversSharing(app.db, userId), notice)
}

/** Tells one of them. */
export function tellServer(app: App, server: ServerName, notice: Notice): void {
  if (!app.config.global.disable_federation) post(app, [server], notice)
}

function post(app: App, servers: Awaited<ReturnType<typeof serversIn>>, { key, type, content }: Notice): void {
  for (const server of servers) {
    if (server !== app.serverName) app.live.destinations.post(server, key, { content, edu_type: type })
  }
}
