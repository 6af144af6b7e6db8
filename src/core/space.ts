import { isRoomId } from './ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
import { type RemoteSummary, readRoomSummary, roomIdsIn } from './room-summary.ts'

/** An `m.space.child` event: what of it the answers about spaces hold. */
export interface SpaceChild {
  readonly state_key: string
  readonly sender: string
  readonly origin_server_ts: number
  readonly content: JsonObject
}

/** A room of another server with what it names as its children, as that server tells it. */
export interface RemoteSpace {
  readonly room: RemoteSummary
  readonly children: readonly SpaceChild[]
  /** Of those children that the server knows, by room id. */
  readonly summaries: ReadonlyMap<string, RemoteSummary>
  /** Children that our users cannot get into. */
  readonly inaccessible: ReadonlySet<string>
}

/** Children of one space that are looked at. */
export const CHILDREN_MAX = 1_000
const ORDER_LENGTH_MAX = 50

/** The children that count, in order (Client-Server API, "Ordering of children within a space"). */
export function orderedChildren(children: readonly SpaceChild[], suggestedOnly: boolean): SpaceChild[] {
  return children
    .filter(({ state_key: roomId, content }) => {
      const suggested = !suggestedOnly || own(content, 'suggested') === true
      return isRoomId(roomId) && Array.isArray(own(content, 'via')) && suggested
    })
    .sort(compare)
}

/** As the answers hold it. */
export function childState({ state_key, sender, origin_server_ts, content }: SpaceChild): JsonObject {
  return { type: 'm.space.child', state_key, sender, origin_server_ts, content }
}

/** What can be used of the answer to `GET /_matrix/federation/v1/hierarchy/{roomId}`; undefined: it is of no room. */
export function readRemoteSpace(answer: JsonObject, roomId: string): RemoteSpace | undefined {
  const about = own(answer, 'room')
  const room = isObject(about) ? readRoomSummary(about) : undefined
  if (!isObject(about) || room?.room_id !== roomId) return undefined
  const summaries = listIn(answer, 'children').flatMap((child) => readRoomSummary(child) ?? [])
  return {
    room,
    children: listIn(about, 'children_state').flatMap((event) => readChild(event) ?? []),
    summaries: new Map(summaries.map((summary) => [summary.room_id, summary])),
    inaccessible: new Set(roomIdsIn(own(answer, 'inaccessible_children'), CHILDREN_MAX)),
  }
}

function readChild(event: JsonValue): SpaceChild | undefined {
  if (!isObject(event) || own(event, 'type') !== 'm.space.child') return undefined
  const [stateKey, sender, content] = [own(event, 'state_key'), own(event, 'sender'), own(event, 'content')]
  const ts = own(event, 'origin_server_ts')
  if (typeof stateKey !== 'string' || typeof sender !== 'string' || !isObject(content)) return undefined
  return { state_key: stateKey, sender, content, origin_server_ts: Number.isSafeInteger(ts) ? (ts as number) : 0 }
}

function listIn(object: JsonObject, key: string): readonly JsonValue[] {
  const list = own(object, key)
  return Array.isArray(list) ? (list as readonly JsonValue[]).slice(0, CHILDREN_MAX) : []
}

function compare(a: SpaceChild, b: SpaceChild): number {
  const [first, second] = [orderOf(a), orderOf(b)]
  if (first !== undefined && second !== undefined && first !== second) return first < second ? -1 : 1
  if ((first === undefined) !== (second === undefined)) return first === undefined ? 1 : -1
  return a.origin_server_ts - b.origin_server_ts || (a.state_key < b.state_key ? -1 : 1)
}

function orderOf({ content }: SpaceChild): string | undefined {
  const order = own(content, 'order')
  return typeof order === 'string' && order.length <= ORDER_LENGTH_MAX && /^[ -~]*$/.test(order) ? order : undefined
}
