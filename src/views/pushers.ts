import type { App } from '../app.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import { pushersOf } from '../store/pushers.ts'

/** The pushers of a user as clients have set them (Client-Server API, "Pushers"). */
export async function pushers(app: App, userId: string): Promise<JsonObject[]> {
  const rows = await pushersOf(app.db, userId)
  return rows.map(({ app_id, pushkey, kind, data }) => ({ ...(parseJson(data) as JsonObject), app_id, pushkey, kind }))
}
