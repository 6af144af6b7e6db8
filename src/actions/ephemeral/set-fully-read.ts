import type { App } from '../../app.ts'
import { isObject, own, parseJson } from '../../core/json.ts'
import { eventsById } from '../../store/events.ts'
import { editAccountData } from '../accounts/set-account-data.ts'
import type { ReadEvent } from './set-receipts.ts'

/** Moves the user's marker of what is read for good; never back (Client-Server API, "Fully read markers"). */
export async function setFullyRead(app: App, userId: string, roomId: string, read: ReadEvent): Promise<void> {
  await editAccountData(app, userId, { roomId, type: 'm.fully_read' }, async (before) => {
    const marked = before === undefined ? undefined : await markedEvent(app, before)
    if (marked !== undefined && marked.topo >= read.topo) return undefined
    return { event_id: read.event_id }
  })
}

async function markedEvent(app: App, stored: string) {
  const content = parseJson(stored)
  const eventId = isObject(content) ? own(content, 'event_id') : undefined
  if (typeof eventId !== 'string') return undefined
  return (await eventsById(app.db, [eventId], app.db.safePosition()))[0]
}
