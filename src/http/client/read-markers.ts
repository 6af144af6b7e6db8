import { Type } from '@sinclair/typebox'
import { setFullyRead } from '../../actions/ephemeral/set-fully-read.ts'
import { setReceipts } from '../../actions/ephemeral/set-receipts.ts'
import { joinedRoom, readableEvents } from '../../views/readable-event.ts'
import { endpoint } from '../endpoint.ts'

const RECEIPTS = ['m.read', 'm.read.private'] as const
const MARKERS = ['m.fully_read', ...RECEIPTS] as const

/** Client-Server API, "Fully read markers". */
export const setReadMarker = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/read_markers',
  aliases: ['r0'],
  auth: 'access-token',
  params: Type.Object({ roomId: Type.String() }),
  body: Type.Object({
    'm.fully_read': Type.Optional(Type.String()),
    'm.read': Type.Optional(Type.String()),
    'm.read.private': Type.Optional(Type.String()),
  }),
  async handle(app, { user, params, body }) {
    const room = await joinedRoom(app, user.userId, params.roomId)
    const named = [...new Set(MARKERS.flatMap((marker) => body[marker] ?? []))]
    const events = await readableEvents(app, user.userId, room, named)
    const eventOf = (eventId: string) => events[named.indexOf(eventId)]!
    const wishes = RECEIPTS.flatMap((type) => {
      const eventId = body[type]
      return eventId === undefined ? [] : [{ type, read: eventOf(eventId), thread: undefined }]
    })
    await setReceipts(app, user.userId, room.room, wishes)
    const fullyRead = body['m.fully_read']
    if (fullyRead !== undefined) await setFullyRead(app, user.userId, params.roomId, eventOf(fullyRead))
    return {}
  },
})
