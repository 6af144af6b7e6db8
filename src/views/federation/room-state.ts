import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import type { EventId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { heroesOf } from '../../store/memberships.ts'
import { authChainOf, type PduRow, pdusById, pdusByNumber } from '../../store/pdus.ts'
import { currentStateEvent, stateAt } from '../../store/state.ts'
import type { KnownRoom } from './room-access.ts'

export interface StateWithChain {
  readonly state: readonly PduRow[]
  readonly authChain: readonly PduRow[]
}

/** The state before an event of the room and the auth chain of that state. Errors: M_NOT_FOUND. */
export async function stateBefore(app: App, room: KnownRoom, eventId: string): Promise<StateWithChain> {
  const event = await eventInRoom(app, room, eventId)
  if (event.outlier === 1 || event.rejected === 1)
    throw new MatrixError('M_NOT_FOUND', 'The state at this event is not known.')
  const state = event.snapshot === null ? [] : await stateAt(app.db, event.snapshot)
  return withChain(
    app,
    room,
    await pdusByNumber(
      app.db,
      state.map((entry) => entry.event),
    ),
  )
}

/**
 * The state before a join without the members that the joining server can do without for a while (Server-Server API,
 * "Joining Rooms", `omit_members`), and of what it and the join rest on the rest. Errors: M_NOT_FOUND.
 */
export async function stateWithoutMembers(app: App, room: KnownRoom, join: Event): Promise<StateWithChain> {
  const event = await eventInRoom(app, room, join.eventId)
  const members = [join.sender, ...(await membersThatName(app, room.row.room, join.sender))]
  const entries = event.snapshot === null ? [] : await stateAt(app.db, event.snapshot, { members, others: true })
  const numbers = entries.map((entry) => entry.event)
  const chain = await withCreate(app, room, await authChainOf(app.db, [...numbers, event.event]))
  const told = new Set(numbers)
  return { state: await pdusByNumber(app.db, numbers), authChain: chain.filter((row) => !told.has(row.event)) }
}

/** The members who name a room that has no name of its own. */
async function membersThatName(app: App, room: number, joining: string): Promise<string[]> {
  for (const type of ['m.room.name', 'm.room.canonical_alias'])
    if ((await currentStateEvent(app.db, room, type, '')) !== undefined) return []
  return (await heroesOf(app.db, [room], joining)).map((hero) => hero.user_id)
}

async function withChain(app: App, room: KnownRoom, state: readonly PduRow[]): Promise<StateWithChain> {
  const chain = await authChainOf(
    app.db,
    state.map((row) => row.event),
  )
  return { state, authChain: await withCreate(app, room, chain) }
}

/** Everything that the event rests on. Errors: M_NOT_FOUND. */
export async function authChain(app: App, room: KnownRoom, eventId: string): Promise<readonly PduRow[]> {
  const event = await eventInRoom(app, room, eventId)
  return withCreate(app, room, await authChainOf(app.db, [event.event]))
}

/** Errors: M_NOT_FOUND, also for an event of another room. */
export async function eventInRoom(app: App, room: KnownRoom, eventId: string): Promise<PduRow> {
  const [event] = await pdusById(app.db, [eventId])
  if (event === undefined || event.room !== room.row.room)
    throw new MatrixError('M_NOT_FOUND', 'The room has no such event.')
  return event
}

/** In room version 12 no event names the create event, on which all rest. */
async function withCreate(app: App, { row, version }: KnownRoom, chain: PduRow[]): Promise<PduRow[]> {
  if (!version.roomIdIsCreateHash) return chain
  const create = `$${row.room_id.slice(1)}` as EventId
  return chain.some((event) => event.event_id === create) ? chain : [...(await pdusById(app.db, [create])), ...chain]
}
