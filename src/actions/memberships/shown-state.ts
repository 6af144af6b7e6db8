import type { App } from '../../app.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { pruneStrippedState } from '../../core/stripped-state.ts'
import { verifyPdus } from '../federation/verify-pdu.ts'

/** Events that show a room: those of the specification, and room for what may yet come. */
const SHOWN_MAX = 20

/**
 * What another server shows of a room that this one is not in, as clients see it (Server-Server API, "Inviting to a
 * room", "Knocking upon a room"). From room version 12 on these are events of the room that verify, the create event
 * among them: what is not so is left out, and `refused` hears of it. In older ones servers show what they like.
 */
export async function readShownState(
  app: App,
  room: { readonly version: RoomVersion; readonly roomId: string },
  value: JsonValue | undefined,
  refused: (fault: string) => void,
): Promise<readonly JsonObject[]> {
  if (!room.version.roomIdIsCreateHash) return pruneStrippedState(value)
  const pdus = Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, SHOWN_MAX) : []
  const verified = await verifyPdus(app, room.version, pdus, ({ message }) => refused(message))
  const shown = verified.filter((event) => event.roomId === room.roomId)
  if (shown.length < verified.length) refused('An event is of another room.')
  if (!shown.some((event) => event.type === 'm.room.create')) refused('The create event is missing.')
  return pruneStrippedState(shown.map((event) => event.pdu))
}
