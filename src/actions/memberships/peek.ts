import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type DeviceName, deviceIsThere } from '../../store/device-keys.ts'
import { membershipOf } from '../../store/memberships.ts'
import { endPeek, peekedRooms, startPeek } from '../../store/peeks.ts'
import { roomById } from '../../store/rooms.ts'
import { write } from '../write.ts'

/** Rooms that one device may look into at a time. */
const MAX_PEEKS = 100

/**
 * Lets the device hear of a room that its user is not in, by `/sync` (MSC2753), until the user joins or the room is
 * open to everybody no more. Nothing changes for members. Errors: M_NOT_FOUND, M_FORBIDDEN, M_RESOURCE_LIMIT_EXCEEDED.
 */
export async function peek(app: App, device: DeviceName, roomId: string): Promise<void> {
  const room = await roomById(app.db, roomId)
  if (room === undefined || room.version === null) throw new MatrixError('M_NOT_FOUND', 'The room is not known here.')
  if ((await membershipOf(app.db, room.room, device.userId))?.membership === 'join') return
  if (room.history_visibility !== 'world_readable')
    throw new MatrixError('M_FORBIDDEN', 'The room is not open to readers.')
  const peeked = await peekedRooms(app.db, device)
  if (peeked.length >= MAX_PEEKS && !peeked.includes(room.room))
    throw new MatrixError('M_RESOURCE_LIMIT_EXCEEDED', 'This device looks into too many rooms.')
  await write(app, {
    guards: [deviceIsThere(device)],
    writes: [startPeek(device, room.room)],
    log: [{ kind: 'peek', user: device.userId, device: device.deviceId, room: room.room }],
  })
}

/** Ends a peek, if there is one (MSC2753). */
export async function unpeek(app: App, device: DeviceName, roomId: string): Promise<void> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) return
  await write(app, { guards: [], writes: [endPeek(device, room.room)], log: [] })
}
