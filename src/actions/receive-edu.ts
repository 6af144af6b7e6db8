import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../core/json.ts'

type Receive = (app: App, origin: ServerName, content: JsonObject) => Promise<void>

/** What to do with an EDU, by its type. Every name of a user in it has to be of the server that sends it. */
const RECEIVERS: ReadonlyMap<string, Receive> = new Map()

/** Takes in one EDU (Server-Server API, "EDUs"). Those of unknown type, or malformed, change nothing. */
export async function receiveEdu(app: App, origin: ServerName, edu: JsonValue): Promise<void> {
  if (!isObject(edu)) return
  const type = own(edu, 'edu_type')
  const content = own(edu, 'content')
  const receive = typeof type === 'string' ? RECEIVERS.get(type) : undefined
  if (receive !== undefined && isObject(content)) await receive(app, origin, content)
}
