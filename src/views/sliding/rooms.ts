import { parseFilter } from '../../core/filter.ts'
import { breathe } from '../../live/time.ts'
import type { EventRow } from '../../store/events.ts'
import { type Hero, heroesOf } from '../../store/memberships.ts'
import { bumpStamps } from '../../store/sliding-sync.ts'
import { clientEvents } from '../client-events.ts'
import { chooseRooms as presentRooms } from '../sync/choose-rooms.ts'
import type { Scope, SyncRoom } from '../sync/scope.ts'
import { prevBatch, readTimelines, type Timeline } from '../sync/timeline.ts'
import { readUnread, type UnreadPart } from '../sync/unread.ts'
import type { Plan } from './plan.ts'
import type { Span } from './request.ts'
import { readState } from './state.ts'

/** A room of the answer. */
export interface ToldRoom {
  readonly plan: Plan
  readonly json: string
  /** Ids of the events of its timeline. */
  readonly shown: ReadonlySet<string>
}

/** Rooms read at once; between two such pieces the loop is left to others. */
const AT_ONCE = 25

/** The rooms of the plans of which there is something to tell, by room id. */
export async function tellRooms(span: Span, plans: readonly Plan[]): Promise<Map<string, ToldRoom>> {
  const told = new Map<string, ToldRoom>()
  for (const plan of plans) if (isOutside(plan)) told.set(plan.room.room_id, tellInvite(plan))
  let pieces = 0
  for (const group of groupsOf(plans.filter((plan) => !isOutside(plan)))) {
    for (let start = 0; start < group.length; start += AT_ONCE) {
      if (pieces++ > 0) await breathe()
      for (const room of await tellPresent(span, group.slice(start, start + AT_ONCE)))
        told.set(room.plan.room.room_id, room)
    }
  }
  return told
}

function isOutside({ room }: Plan): boolean {
  return room.membership === 'invite' || room.membership === 'knock'
}

function tellInvite(plan: Plan): ToldRoom {
  const { room } = plan
  const json = `{"initial":true,"invite_state":${room.stripped_state ?? '[]'},"bump_stamp":${room.position}}`
  return { plan, json, shown: new Set() }
}

/** Rooms that are read alike: from the same position on, as many events. */
function groupsOf(plans: readonly Plan[]): Plan[][] {
  const groups = new Map<string, Plan[]>()
  for (const plan of plans) {
    const key = JSON.stringify([timelineSince(plan), plan.since, plan.config.timelineLimit])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [plan])
    else group.push(plan)
  }
  return [...groups.values()]
}

function timelineSince({ longer, since }: Plan): number {
  return longer ? 0 : since
}

async function tellPresent(span: Span, plans: readonly Plan[]): Promise<ToldRoom[]> {
  const scope = scopeOf(span, plans)
  const byRoom = new Map(plans.map((plan) => [plan.room.room, plan]))
  const { present } = await presentRooms(
    scope,
    plans.map((plan) => plan.room),
  )
  const known = present.filter((room) => !room.outside || span.base?.rooms.has(room.room) === true)
  const timelines = await readTimelines(scope, known)
  const plan = (room: SyncRoom) => planNow(byRoom.get(room.room)!, room)
  const states: EventRow[][] = []
  for (const timeline of timelines) states.push(await readState(span, plan(timeline.room), timeline))
  const heroes = await readHeroes(
    span,
    timelines.filter((timeline) => namedByMembers(plan(timeline.room), timeline)),
  )
  const unread = await readUnread(scope, timelines)
  const bumps = await readBumps(span, timelines)
  const texts = await eventTexts(span, plan, timelines, states)
  return timelines.flatMap((timeline, index): ToldRoom[] => {
    const { room, shown } = timeline
    const parts: Parts = {
      state: states[index] ?? [],
      heroes: heroes.get(room.room),
      unread: unread.get(room.room),
      bump: bumps.get(room.room) ?? room.position,
      texts,
    }
    const now = plan(room)
    const isNews = now.initial || now.longer || now.directChanged || shown.length + parts.state.length > 0
    if (!isNews && parts.unread?.changed !== true) return []
    const json = roomJson(span, now, timeline, parts)
    return [{ plan: now, json, shown: new Set(shown.map((row) => row.event_id)) }]
  })
}

/** Who came back between two answers gets the room anew. */
function planNow(plan: Plan, room: SyncRoom): Plan {
  return plan.since > 0 && room.wholeState && !plan.longer ? { ...plan, initial: true, since: 0 } : plan
}

/** What the parts of a usual sync read by. */
function scopeOf(span: Span, plans: readonly Plan[]): Scope {
  const { app, request, to, typing, settings, base } = span
  const [first] = plans
  const since = timelineSince(first!)
  const filter = parseFilter({ room: { timeline: { limit: first!.config.timelineLimit } } })
  return {
    app,
    request: {
      viewer: request.viewer,
      since: undefined,
      filter,
      filterText: '',
      fullState: false,
      stateAfterKey: 'state_after',
      timeoutMs: 0,
      signal: request.signal,
    },
    token: undefined,
    since,
    to,
    initial: since === 0,
    typing,
    news: since === base?.position && plans.every(byNews) ? span.news : undefined,
    settings,
  }
}

/** Only what happened makes it be told. */
function byNews({ initial, moreState, directChanged }: Plan): boolean {
  return !initial && !moreState && !directChanged
}

function namedByMembers({ initial, room }: Plan, timeline: Timeline): boolean {
  return !room.name && (initial || timeline.membersChanged) && !timeline.room.outside
}

async function readHeroes(span: Span, timelines: readonly Timeline[]): Promise<Map<number, Hero[]>> {
  const heroes = new Map<number, Hero[]>(timelines.map(({ room }) => [room.room, []]))
  if (heroes.size === 0) return heroes
  for (const hero of await heroesOf(span.app.db, [...heroes.keys()], span.request.viewer.userId))
    heroes.get(hero.room)?.push(hero)
  return heroes
}

async function readBumps(span: Span, timelines: readonly Timeline[]): Promise<Map<number, number>> {
  const joined = timelines.filter(({ room }) => room.membership === 'join').map(({ room }) => room.room)
  const rows = joined.length === 0 ? [] : await bumpStamps(span.app.db, joined, span.to)
  return new Map(rows.flatMap(({ room, position }) => (position === null ? [] : [[room, position]])))
}

async function eventTexts(
  span: Span,
  plan: (room: SyncRoom) => Plan,
  timelines: readonly Timeline[],
  states: readonly (readonly EventRow[])[],
): Promise<Map<EventRow, string>> {
  const rows = [...states.flat(), ...timelines.flatMap((timeline) => timeline.shown)]
  const versions = new Map(timelines.map(({ room }) => [room.room, room.version]))
  const roomOf = (row: EventRow) => ({ roomId: undefined, version: versions.get(row.room) ?? null })
  const parents = timelines.flatMap((timeline) => {
    const { initial, longer } = plan(timeline.room)
    return timeline.limited || initial || longer ? timeline.shown : []
  })
  const texts = await clientEvents(span.app, span.request.viewer, rows, roomOf, { parents })
  return new Map(rows.map((row, index) => [row, texts[index] ?? '']))
}

interface Parts {
  readonly state: readonly EventRow[]
  /** Undefined: the room has a name, or nothing of its members changed. */
  readonly heroes: readonly Hero[] | undefined
  readonly unread: UnreadPart | undefined
  readonly bump: number
  readonly texts: ReadonlyMap<EventRow, string>
}

function roomJson(span: Span, plan: Plan, timeline: Timeline, parts: Parts): string {
  const { initial, direct, longer, directChanged } = plan
  const { shown, limited } = timeline
  const list = (rows: readonly EventRow[]) => `[${rows.map((row) => parts.texts.get(row)).join(',')}]`
  const keys: string[] = []
  if (initial) keys.push('"initial":true')
  // What happened in the room after the user left is none of theirs.
  if (!timeline.room.outside && timeline.room.end === undefined) keys.push(...description(plan, timeline, parts))
  if ((direct && initial) || directChanged) keys.push(`"is_dm":${direct}`)
  keys.push(`"required_state":${list(parts.state)}`, `"timeline":${list(shown)}`, `"limited":${limited}`)
  if (longer) keys.push('"unstable_expanded_timeline":true')
  if (shown.length > 0) keys.push(`"prev_batch":${JSON.stringify(prevBatch(span.app, timeline))}`)
  const live = span.base === undefined ? 0 : shown.filter((row) => (row.position ?? 0) > span.base!.position).length
  keys.push(`"num_live":${live}`, `"bump_stamp":${parts.bump}`)
  if (parts.unread !== undefined || initial) {
    const { notifications = 0, highlights = 0 } = parts.unread?.total ?? {}
    keys.push(`"notification_count":${notifications},"highlight_count":${highlights}`)
  }
  return `{${keys.join(',')}}`
}

/** What the room is called and who is in it, as far as it may have changed. */
function description({ room, initial }: Plan, timeline: Timeline, { heroes, state }: Parts): string[] {
  const changed = (type: string) => [...timeline.scanned, ...state].some((row) => row.type === type)
  const keys: string[] = []
  if (initial ? room.name !== null : changed('m.room.name')) keys.push(`"name":${JSON.stringify(room.name)}`)
  if (initial ? room.avatar_url !== null : changed('m.room.avatar'))
    keys.push(`"avatar":${JSON.stringify(room.avatar_url)}`)
  if (heroes !== undefined) keys.push(`"heroes":${JSON.stringify(heroes.map(wireHero))}`)
  if (initial || timeline.membersChanged)
    keys.push(`"joined_count":${room.joined_members},"invited_count":${room.invited_members}`)
  return keys
}

function wireHero({ user_id, displayname, avatar_url }: Hero) {
  return { user_id, ...(displayname !== null && { displayname }), ...(avatar_url !== null && { avatar_url }) }
}
