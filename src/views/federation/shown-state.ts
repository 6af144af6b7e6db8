import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { strippedStateKeys } from '../../core/stripped-state.ts'
import { pduOf } from '../../store/pdus.ts'
import { currentAuthRows } from '../../store/state.ts'
import type { KnownRoom } from './room-access.ts'

/** The events by which another server shows the room to a user who knocks. */
export async function shownState(app: App, { row }: KnownRoom): Promise<JsonObject[]> {
  return (await currentAuthRows(app.db, row.room, strippedStateKeys([]))).map(pduOf)
}
