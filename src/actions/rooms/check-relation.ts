import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { isObject, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { NO_RELATION, type Relation, relationFault, relationOf } from '../../core/relations.ts'
import { eventsById } from '../../store/events.ts'
import { annotationsBy } from '../../store/relations.ts'
import type { RoomWriter } from './room-writer.ts'
import { textOf } from './state-consequences.ts'

interface Relating {
  readonly sender: string
  readonly type: string
  readonly content: JsonObject
}

/**
 * Whether a member may relate a new event so. Errors: M_UNKNOWN for a thread that starts from a reply of another
 * thread, an edit or a reaction; M_DUPLICATE_ANNOTATION for the same reaction a second time.
 */
export async function checkRelation(app: App, writer: RoomWriter, event: Relating): Promise<void> {
  const relation = relationOf(event.content)
  if (relation.eventId === undefined || !(relation.relType === 'm.thread' || relation.relType === 'm.annotation'))
    return
  const member = (await writer.state('m.room.member', event.sender))?.value.content
  if (textOf(member, 'membership') !== 'join') return
  const [target] = await eventsById(app.db, [relation.eventId], app.db.safePosition())
  if (target?.room !== writer.tip().room) return
  const fault = relationFault(relation, relationIn(target.content))
  if (fault !== undefined) throw new MatrixError('M_UNKNOWN', fault)
  if (relation.relType === 'm.annotation') await checkAnnotation(app, event, relation, relation.eventId)
}

async function checkAnnotation(app: App, event: Relating, relation: Relation, parent: string): Promise<void> {
  if (relation.key === undefined) return
  const others = await annotationsBy(app.db, parent, event.sender, event.type)
  if (others.some((other) => relationIn(other.content).key === relation.key))
    throw new MatrixError('M_DUPLICATE_ANNOTATION', 'You have annotated the event with this already.')
}

function relationIn(content: string): Relation {
  const parsed = parseJson(content)
  return isObject(parsed) ? relationOf(parsed) : NO_RELATION
}
