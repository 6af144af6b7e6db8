import type { App } from '../../app.ts'
import { isObject, parseJson } from '../../core/json.ts'
import {
  bothConfigs,
  type FilterableRoom,
  isWithin,
  type ListWish,
  type RoomConfig,
  roomPasses,
} from '../../core/sliding-sync.ts'
import { accountData } from '../../store/account-data.ts'
import { joinedAmong } from '../../store/memberships.ts'
import { roomSummaries } from '../../store/rooms.ts'
import { type SlidingRoom, tagsOf } from '../../store/sliding-sync.ts'
import { childrenOf } from '../space-children.ts'
import type { SlidingRequest } from './request.ts'

/** A room that a rule of the request matches. */
export interface ChosenRoom {
  readonly room: SlidingRoom
  readonly config: RoomConfig
  readonly direct: boolean
  /** The lists that it is in. */
  readonly lists: readonly string[]
  readonly subscribed: boolean
}

export interface Chosen {
  readonly rooms: ReadonlyMap<number, ChosenRoom>
  /** How many rooms the filters of each list let in. */
  readonly counts: ReadonlyMap<string, number>
}

/** Which of the user's rooms, the newest activity first, the lists and subscriptions of the request ask for. */
export async function chooseRooms(app: App, request: SlidingRequest, rooms: readonly SlidingRoom[]): Promise<Chosen> {
  const { userId } = request.viewer
  const direct = await directRooms(app, userId)
  const facts = await factsOf(app, request, rooms, direct)
  const chosen = new Map<number, ChosenRoom>()
  const choose = (room: SlidingRoom, config: RoomConfig, list: string | undefined) => {
    const known = chosen.get(room.room)
    chosen.set(room.room, {
      room,
      config: known === undefined ? config : bothConfigs(known.config, config),
      direct: direct.has(room.room_id),
      lists: [...(known?.lists ?? []), ...(list === undefined ? [] : [list])],
      subscribed: known?.subscribed === true || list === undefined,
    })
  }
  const counts = new Map<string, number>()
  for (const [name, wish] of request.lists) {
    const listed = rooms.filter((room) => roomPasses(wish.filters, facts(room)))
    counts.set(name, listed.length)
    for (const [index, room] of listed.entries()) if (isWithin(wish.ranges, index)) choose(room, wish, name)
  }
  for (const room of rooms) {
    const config = request.subscriptions.get(room.room_id)
    if (config !== undefined) choose(room, config, undefined)
  }
  return { rooms: chosen, counts }
}

/** The rooms that are conversations of two (`m.direct`). */
async function directRooms(app: App, userId: string): Promise<ReadonlySet<string>> {
  const { content } = await accountData(app.db, userId, '', 'm.direct')
  const direct = content === undefined ? {} : parseJson(content)
  const lists = isObject(direct) ? Object.values(direct) : []
  return new Set(lists.flatMap((rooms) => (Array.isArray(rooms) ? rooms.filter(isText) : [])))
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

async function factsOf(
  app: App,
  request: SlidingRequest,
  rooms: readonly SlidingRoom[],
  direct: ReadonlySet<string>,
): Promise<(room: SlidingRoom) => FilterableRoom> {
  const { userId } = request.viewer
  const wishes = [...request.lists.values()]
  const byTag = wishes.some(({ filters }) => filters.tags !== undefined || filters.notTags !== undefined)
  const tags = byTag ? await tagsByRoom(app, userId) : undefined
  const spaces = await spacesByRoom(app, userId, wishes)
  const facts = new Map(
    rooms.map((room): [SlidingRoom, FilterableRoom] => [
      room,
      {
        direct: direct.has(room.room_id),
        invited: room.membership === 'invite',
        ...describedBy(room),
        tags: tags?.get(room.room_id) ?? [],
        spaces: spaces.get(room.room_id) ?? NOWHERE,
      },
    ]),
  )
  return (room) => facts.get(room)!
}

const NOWHERE: ReadonlySet<string> = new Set()

/** Of a room that the user is not in yet, what the invite tells. */
function describedBy(room: SlidingRoom): Pick<FilterableRoom, 'encrypted' | 'type'> {
  if (room.stripped_state === null) return { encrypted: room.encryption !== null, type: room.room_type }
  const state = parseJson(room.stripped_state)
  const events = Array.isArray(state) ? state.filter(isObject) : []
  const create = events.find((event) => event.type === 'm.room.create')?.content
  const type = create !== undefined && isObject(create) && typeof create.type === 'string' ? create.type : null
  return { encrypted: events.some((event) => event.type === 'm.room.encryption'), type }
}

async function tagsByRoom(app: App, userId: string): Promise<Map<string, string[]>> {
  const rows = await tagsOf(app.db, userId)
  return new Map(
    rows.map(({ room_id: roomId, content }) => {
      const stored = parseJson(content)
      const tags = isObject(stored) ? stored.tags : undefined
      return [roomId, tags !== undefined && isObject(tags) ? Object.keys(tags) : []]
    }),
  )
}

/** The spaces, of those that the lists name and the user is in, that name each room. */
async function spacesByRoom(app: App, userId: string, wishes: readonly ListWish[]): Promise<Map<string, Set<string>>> {
  const byRoom = new Map<string, Set<string>>()
  const named = [...new Set(wishes.flatMap(({ filters }) => filters.spaces ?? []))]
  if (named.length === 0) return byRoom
  const joined = await joinedAmong(app.db, userId, named)
  for (const space of await roomSummaries(app.db, [...joined])) {
    for (const { state_key: child } of await childrenOf(app, space, false)) {
      const spaces = byRoom.get(child) ?? new Set()
      byRoom.set(child, spaces.add(space.room_id))
    }
  }
  return byRoom
}
