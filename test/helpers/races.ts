import { expect } from 'vitest'
import type { Reply } from './server.ts'
import { inRoom, type Json, type Session } from './session.ts'

/** Requests at the same time. */
const TRIES = 100

/** Alice and bob, each at every server. */
export interface Racers {
  readonly alice: readonly Session[]
  readonly bob: readonly Session[]
}

/** State set at the same time is one history, and its last event is the state. */
export async function raceOnState({ alice, bob }: Racers): Promise<void> {
  const room = await alice[0]!.createRoom({ preset: 'public_chat', invite: [bob[0]!.userId] })
  await bob[0]!.join(room)
  await giveLevel(alice[0]!, room, bob[0]!, 50)
  const users = [...alice, ...bob]
  const replies = await atOnce(users, (user, n) =>
    user.call('PUT', `${inRoom(room)}/state/m.room.topic`, { topic: `topic ${n}` }),
  )
  expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([200]))
  const history = (await events(alice[0]!, room)).filter((event) => event.type === 'm.room.topic')
  expect(new Set(history.map((event) => event.event_id))).toEqual(new Set(replies.map((reply) => reply.body.event_id)))
  // Each replaced the one before it, by the state that it saw.
  expect(history.slice(1).map((event) => event.unsigned.replaces_state)).toEqual(
    history.slice(0, -1).map((event) => event.event_id),
  )
  for (const user of users) expect(await user.state(room, 'm.room.topic')).toEqual(history.at(-1)!.content)
}

/** Memberships changed at the same time follow one another by the rules. */
export async function raceOnMemberships({ alice, bob }: Racers): Promise<void> {
  const room = await alice[0]!.createRoom({ preset: 'public_chat' })
  const target = { user_id: bob[0]!.userId }
  const moves = [
    (at: number) => bob[at]!.call('POST', `${inRoom(room)}/join`, {}),
    (at: number) => bob[at]!.call('POST', `${inRoom(room)}/leave`, {}),
    (at: number) => alice[at]!.call('POST', `${inRoom(room)}/ban`, target),
    (at: number) => alice[at]!.call('POST', `${inRoom(room)}/unban`, target),
    (at: number) => alice[at]!.call('POST', `${inRoom(room)}/kick`, target),
    (at: number) => alice[at]!.call('POST', `${inRoom(room)}/invite`, target),
  ]
  const replies = await Promise.all(Array.from({ length: TRIES }, (_, n) => moves[n % moves.length]!(n % alice.length)))
  expect(replies.map((reply) => reply.status).filter((status) => status !== 200 && status !== 403)).toEqual([])
  const steps = (await events(alice[0]!, room)).filter(
    (event) => event.type === 'm.room.member' && event.state_key === target.user_id,
  )
  // The banned neither join nor are invited, and nobody joins twice.
  const memberships: string[] = steps.map((event) => event.content.membership)
  const pairs = memberships.slice(1).map((membership, n) => `${memberships[n]} ${membership}`)
  expect(pairs.filter((pair) => ['ban join', 'ban invite', 'join join', 'join invite'].includes(pair))).toEqual([])
  const final = memberships.at(-1)
  expect(await alice[0]!.membership(room, target.user_id)).toBe(final)
  const { joined } = await alice[0]!.get(`${inRoom(room)}/joined_members`)
  expect(Object.keys(joined).includes(target.user_id)).toBe(final === 'join')
  const summary = await alice[0]!.get(`/_matrix/client/v1/room_summary/${encodeURIComponent(room)}`)
  expect(summary.num_joined_members).toBe(final === 'join' ? 2 : 1)
  expect((await bob[0]!.get('/joined_rooms')).joined_rooms.includes(room)).toBe(final === 'join')
}

/** An alias wanted at the same time is one room’s, and is removed once. */
export async function raceOnAliases({ alice }: Racers): Promise<void> {
  const serverName = alice[0]!.userId.slice(alice[0]!.userId.indexOf(':') + 1)
  const rooms = [await alice[0]!.createRoom(), await alice[0]!.createRoom(), await alice[0]!.createRoom()]
  const alias = `/directory/room/${encodeURIComponent(`#one:${serverName}`)}`
  const wanted = await atOnce(alice, (user, n) => user.call('PUT', alias, { room_id: rooms[n % rooms.length]! }))
  const winner = wanted.findIndex((reply) => reply.status === 200)
  expect(wanted.map((reply) => reply.status).sort()).toEqual([200, ...Array(TRIES - 1).fill(409)])
  expect((await alice.at(-1)!.get(alias)).room_id).toBe(rooms[winner % rooms.length])

  const removed = await atOnce(alice, (user) => user.call('DELETE', alias))
  expect(removed.map((reply) => reply.status).sort()).toEqual([200, ...Array(TRIES - 1).fill(404)])

  const before = (await alice[0]!.get('/joined_rooms')).joined_rooms
  const made = await atOnce(alice, (user) => user.call('POST', '/createRoom', { room_alias_name: 'two' }))
  const room = made.find((reply) => reply.status === 200)?.body.room_id
  const errors = made.flatMap((reply) => (reply.status === 200 ? [] : `${reply.status} ${reply.body.errcode}`))
  expect(errors).toEqual(Array(TRIES - 1).fill('400 M_ROOM_IN_USE'))
  expect((await alice[0]!.get(`/directory/room/${encodeURIComponent(`#two:${serverName}`)}`)).room_id).toBe(room)
  expect((await alice[0]!.get('/joined_rooms')).joined_rooms.sort()).toEqual([...before, room].sort())
}

/** A transaction sent many times at once is one event. */
export async function raceOnTransactions({ alice }: Racers): Promise<void> {
  const room = await alice[0]!.createRoom()
  const replies = await atOnce(alice, (user, n) =>
    user.call('PUT', `${inRoom(room)}/send/m.room.message/same`, { msgtype: 'm.text', body: `try ${n}` }),
  )
  expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([200]))
  const ids = new Set(replies.map((reply) => reply.body.event_id))
  expect(ids.size).toBe(1)
  const sent = (await events(alice[0]!, room)).filter((event) => event.type === 'm.room.message')
  expect(sent.map((event) => event.event_id)).toEqual([...ids])
}

/** `TRIES` requests at once, spread over the sessions. */
function atOnce(sessions: readonly Session[], ask: (session: Session, n: number) => Promise<Reply>) {
  return Promise.all(Array.from({ length: TRIES }, (_, n) => ask(sessions[n % sessions.length]!, n)))
}

async function giveLevel(owner: Session, room: string, user: Session, level: number): Promise<void> {
  const levels = await owner.state(room, 'm.room.power_levels')
  await owner.setState(room, 'm.room.power_levels', { ...levels, users: { ...levels.users, [user.userId]: level } })
}

/** The whole history, oldest first. */
async function events(session: Session, room: string): Promise<Json[]> {
  const { chunk } = await session.get(`${inRoom(room)}/messages?dir=f&limit=1000`)
  expect(chunk.length).toBeLessThan(1_000)
  return chunk
}
