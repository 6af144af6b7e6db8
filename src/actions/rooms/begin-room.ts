import type { App } from '../../app.ts'
import type { RoomId, UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { insertRoom, roomIsNew, updateSummary } from '../../store/rooms.ts'
import type { RoomWriter } from './room-writer.ts'
import { textOf } from './state-consequences.ts'

/** The create event and the row of a new room, on a writer that has written nothing yet. */
export async function beginRoom(app: App, writer: RoomWriter, sender: UserId, content: JsonObject): Promise<RoomId> {
  const { room, version } = writer.tip()
  const { roomId } = await writer.add({ type: 'm.room.create', stateKey: '', sender, content })
  const head = writer.tip().heads[0]!
  const row = insertRoom(room, roomId, version.id, head.event, app.clock.now())
  // What the event says of the room was to be written before there was a row.
  const summary = updateSummary(room, 'm.room.create', textOf(content, 'type') ?? null)
  writer.also({ writes: [row, ...summary], guards: [roomIsNew(roomId)] })
  return roomId
}
