import type { App } from '../../app.ts'
import { type JsonObject, parseJson } from '../../core/json.ts'
import { strippedEvent, strippedStateKeys } from '../../core/stripped-state.ts'
import { currentAuthRows } from '../../store/state.ts'
import type { KnownRoom } from './room-access.ts'

/** What somebody outside is shown of the room. */
export async function strippedRoomState(app: App, { row }: KnownRoom): Promise<JsonObject[]> {
  const rows = await currentAuthRows(app.db, row.room, strippedStateKeys([]))
  return rows.map(({ type, state_key: stateKey, sender, content }) =>
    strippedEvent({ type, stateKey: stateKey ?? '', sender, content: parseJson(content) as JsonObject }),
  )
}
