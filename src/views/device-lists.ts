import type { App } from '../app.ts'
import {
  changedDeviceLists,
  type MemberStep,
  memberSteps,
  membersSince,
  membersToKnow,
  roomsMetSince,
  sharingWith,
} from '../store/device-lists.ts'
import { membershipHistory } from '../store/memberships.ts'

export interface DeviceLists {
  readonly changed: readonly string[]
  readonly left: readonly string[]
}

/** What may have happened: nothing else is looked up. */
export interface Hints {
  readonly changes: boolean
  /** Rooms in which somebody may have come or gone; undefined: nobody did. */
  readonly moved: ((room: number) => boolean) | undefined
  /** Rooms whose members became known only now, after a join by way of another server. */
  readonly completed: (room: number) => boolean
}

const NO_HINTS: Hints = { changes: true, moved: () => true, completed: () => false }

/**
 * Whose devices a client has to ask for anew, and whose it may forget (Client-Server API, "Tracking the device list
 * for a user"): lists that changed in (since, to], users who came into a room of the viewer's or whom the viewer came
 * to, and users with whom no room is shared any more. Rooms without encryption count: it may begin at any time.
 */
export async function deviceListsSince(
  { db }: Pick<App, 'db'>,
  viewer: string,
  { since, to }: { readonly since: number; readonly to: number },
  hints: Hints = NO_HINTS,
): Promise<DeviceLists> {
  const lists = hints.changes ? await changedDeviceLists(db, viewer, since, to) : []
  const changed = new Set(lists.map((row) => row.user_id))
  const parted = new Set<string>()
  const rooms = await roomsOf(db, viewer, since, to, hints)
  if (rooms.stayed.length > 0) meet(await memberSteps(db, rooms.stayed, since, to), changed, parted)
  if (rooms.entered.length > 0) for (const row of await membersToKnow(db, rooms.entered)) changed.add(row.user_id)
  if (rooms.left.length > 0) for (const row of await membersSince(db, rooms.left, since)) parted.add(row.user_id)
  parted.delete(viewer)
  if (rooms.entered.length > 0 && lists.every((row) => row.user_id !== viewer)) changed.delete(viewer)
  const shared = await sharingWith(db, viewer, [...parted])
  return { changed: [...changed], left: [...parted].filter((userId) => !shared.has(userId)) }
}

interface Rooms {
  /** Joined without a break. */
  readonly stayed: number[]
  /** Joined since. */
  readonly entered: number[]
  readonly left: number[]
}

async function roomsOf(db: App['db'], viewer: string, since: number, to: number, hints: Hints): Promise<Rooms> {
  const rooms: Rooms = { stayed: [], entered: [], left: [] }
  const { moved: hasMoved } = hints
  if (hasMoved === undefined) return rooms
  const mine = (await roomsMetSince(db, viewer, since)).filter((row) => hasMoved(row.room))
  const moved = mine.filter((row) => row.position > since).map((row) => row.room)
  const history = moved.length === 0 ? [] : await membershipHistory(db, viewer, moved)
  for (const { room, membership, position } of mine) {
    const steps = position > since ? history.filter((step) => step.room === room && step.position <= to) : undefined
    const between = steps?.filter((step) => step.position > since) ?? []
    const before = steps === undefined ? membership : steps.findLast((step) => step.position <= since)?.membership
    const isIn = (between.at(-1)?.membership ?? before) === 'join'
    const wasIn = before === 'join'
    const unbroken = wasIn && between.every((step) => step.membership === 'join')
    if (isIn && unbroken && !hints.completed(room)) rooms.stayed.push(room)
    else if (isIn) rooms.entered.push(room)
    else if (wasIn) rooms.left.push(room)
  }
  return rooms
}

interface Place {
  readonly userId: string
  wasIn: boolean
  came: boolean
  now: string | null
}

/** Follows the steps of each member: who comes, or is invited, is met; who was in and is not, has parted. */
function meet(steps: readonly MemberStep[], met: Set<string>, parted: Set<string>): void {
  const places = new Map<string, Place>()
  for (const { room, user_id: userId, membership, before } of steps) {
    const key = `${room} ${userId}`
    const place = places.get(key) ?? { userId, wasIn: before === 'join', came: false, now: before }
    places.set(key, place)
    place.came ||= membership !== place.now && isKnown(membership)
    place.wasIn ||= membership === 'join'
    place.now = membership
  }
  for (const { userId, wasIn, came, now } of places.values()) {
    if (isKnown(now) && came) met.add(userId)
    if (!isKnown(now) && wasIn) parted.add(userId)
  }
}

/** Messages are encrypted for the invited, too: they may read what was said since then. */
function isKnown(membership: string | null): boolean {
  return membership === 'join' || membership === 'invite'
}
