import type { App } from '../app.ts'
import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import { compareReplacements, isValidReplacement, type Related } from '../core/relations.ts'
import { accountData } from '../store/account-data.ts'
import { type EventRow, eventsByNumber } from '../store/events.ts'
import { type ChildRow, newestChildren } from '../store/relations.ts'
import { sightOf } from './visible-events.ts'

/** What is bundled with an event (Client-Server API, "Aggregations of child events"). */
export interface Aggregation {
  readonly replacement: EventRow | undefined
  readonly thread: { readonly latest: EventRow; readonly count: number; readonly participated: boolean } | undefined
  /** Ids of the events that refer to it, oldest first. */
  readonly references: readonly string[]
}

/** Children read of a parent and relation: the counts are exact all the same. */
const CHILDREN_READ = 50
/** Children read where some of the newest are hidden from the user. */
const MAX_CHILDREN = 10_000
/** Edits looked at for the last valid one. */
const EDITS_TRIED = 5

/** What the user may see of the children of these events, by the parent's id; state events have none. */
export async function aggregationsOf(
  app: App,
  userId: string,
  rows: readonly EventRow[],
): Promise<Map<string, Aggregation>> {
  const parents = rows.filter((row) => row.state_key === null)
  const found = new Map<string, Aggregation>()
  const groups = await childrenBy(app, userId, parents)
  if (groups.size === 0) return found
  const chosen = [...groups.values()].flatMap((group) => [...group.edits, ...group.thread.slice(0, 1)])
  const full = chosen.length === 0 ? [] : await eventsByNumber(app.db, [...new Set(chosen.map((row) => row.event))])
  const byNumber = new Map(full.map((row) => [row.event, row]))
  for (const parent of parents) {
    const group = groups.get(parent.event_id)
    if (group === undefined) continue
    const latest = byNumber.get(group.thread[0]?.event ?? -1)
    found.set(parent.event_id, {
      replacement: lastEdit(
        parent,
        group.edits.flatMap((row) => byNumber.get(row.event) ?? []),
      ),
      thread:
        latest === undefined
          ? undefined
          : { latest, count: group.count, participated: group.mine || parent.sender === userId },
      references: group.references.map((row) => row.event_id).reverse(),
    })
  }
  return found
}

interface Children {
  readonly edits: readonly ChildRow[]
  readonly thread: readonly ChildRow[]
  readonly references: readonly ChildRow[]
  /** Of the thread. */
  readonly count: number
  readonly mine: boolean
}

async function childrenBy(
  app: App,
  userId: string,
  parents: readonly EventRow[],
): Promise<ReadonlyMap<string, Children>> {
  if (parents.length === 0) return new Map()
  const byId = new Map(parents.map((row) => [row.event_id as string, row]))
  const to = app.db.safePosition()
  const read = await newestChildren(app.db, [...byId.keys()], userId, to, CHILDREN_READ)
  if (read.length === 0) return new Map()
  const [sight, ignored] = [await sightOf(app, userId, read), await ignoredBy(app, userId)]
  const isShown = (child: ChildRow) =>
    child.room === byId.get(child.relates_to)?.room && !ignored.has(child.sender) && sight.sees(child)
  // Counting by the database is right as long as nothing is hidden; else all are looked at.
  const partial = [
    ...new Set(read.filter((row) => row.total > CHILDREN_READ && !isShown(row)).map((row) => row.relates_to)),
  ]
  const whole = partial.length === 0 ? [] : await newestChildren(app.db, partial, userId, to, MAX_CHILDREN)
  const children = [...read.filter((row) => !partial.includes(row.relates_to)), ...whole]
  return groupChildren(byId, children, children.filter(isShown))
}

function groupChildren(
  parents: ReadonlyMap<string, EventRow>,
  all: readonly ChildRow[],
  shown: readonly ChildRow[],
): Map<string, Children> {
  const groups = new Map<string, Children>()
  for (const id of new Set(shown.map((row) => row.relates_to))) {
    const parent = parents.get(id)
    if (parent === undefined) continue
    const of = (rows: readonly ChildRow[], relType: string) =>
      rows.filter((row) => row.relates_to === id && row.rel_type === relType)
    const thread = of(shown, 'm.thread')
    const hidden = of(all, 'm.thread').length - thread.length
    groups.set(id, {
      edits: parent.redacted_by === null ? editsOf(parent, of(shown, 'm.replace')) : [],
      thread,
      references: of(shown, 'm.reference'),
      count: (thread[0]?.total ?? 0) - hidden,
      mine: thread[0]?.mine === 1,
    })
  }
  return groups
}

/** The latest edits that may be valid: whether they are, their content says. */
function editsOf(parent: EventRow, edits: readonly ChildRow[]): ChildRow[] {
  return edits
    .filter((row) => row.sender === parent.sender && row.type === parent.type)
    .sort((a, b) => compareReplacements(order(b), order(a)))
    .slice(0, EDITS_TRIED)
}

function order(row: ChildRow) {
  return { originServerTs: row.origin_server_ts, eventId: row.event_id }
}

function lastEdit(parent: EventRow, latestFirst: readonly EventRow[]): EventRow | undefined {
  const original = relatedOf(parent, contentOf(parent))
  return latestFirst.find((row) => isValidReplacement(original, relatedOf(row, contentOf(row))))
}

function relatedOf(row: EventRow, content: JsonObject): Related {
  return {
    eventId: row.event_id,
    roomId: String(row.room),
    sender: row.sender,
    type: row.type,
    stateKey: row.state_key,
    originServerTs: row.origin_server_ts,
    content,
  }
}

function contentOf(row: EventRow): JsonObject {
  const content = parseJson(row.content)
  return isObject(content) ? content : {}
}

/** Users whose events are not counted (Client-Server API, "Ignoring users"). */
async function ignoredBy(app: App, userId: string): Promise<ReadonlySet<string>> {
  const { content: text } = await accountData(app.db, userId, '', 'm.ignored_user_list')
  const content = text === undefined ? undefined : parseJson(text)
  const ignored = isObject(content) ? own(content, 'ignored_users') : undefined
  return new Set(isObject(ignored) ? Object.keys(ignored) : [])
}
