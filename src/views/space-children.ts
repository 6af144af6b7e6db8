import type { App } from '../app.ts'
import { isObject, parseJson } from '../core/json.ts'
import { CHILDREN_MAX, orderedChildren, type SpaceChild } from '../core/space.ts'
import type { RoomSummary } from '../store/rooms.ts'
import { spaceChildren } from '../store/state.ts'

/** The rooms that a space names as its children, in order; of any other room, none. */
export async function childrenOf(app: App, room: RoomSummary, suggestedOnly: boolean): Promise<SpaceChild[]> {
  if (room.room_type !== 'm.space') return []
  const rows = await spaceChildren(app.db, room.room, CHILDREN_MAX)
  const children = rows.flatMap((row) => {
    const content = parseJson(row.content)
    return isObject(content) ? [{ ...row, content }] : []
  })
  return orderedChildren(children, suggestedOnly)
}
