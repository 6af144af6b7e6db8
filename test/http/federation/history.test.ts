import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { joinRemoteRoom } from '../../../src/actions/memberships/join-remote-room.ts'
import type { RoomId, ServerName, UserId } from '../../../src/core/ids.ts'
import { federationPath } from '../../../src/remote/ask-server.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { type Json, type Session, sessionOf } from '../../helpers/session.ts'

let network: TestNetwork
let a: TestServer
let b: TestServer
let c: TestServer
let alice: Session
let roomId: string
const sent: string[] = []

beforeAll(async () => {
  network = createTestNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
  c = await network.start('c.example')
  alice = sessionOf(a, await a.register('alice'))
  const bob = sessionOf(b, await b.register('bob'))
  roomId = await alice.createRoom({ preset: 'public_chat', name: 'Tea' })
  const join = { roomId: roomId as RoomId, userId: bob.userId as UserId, servers: ['a.example' as ServerName] }
  await joinRemoteRoom(b.app, { ...join, content: {} })
  for (let index = 0; index < 10; index++) sent.push(await alice.send(roomId, `message ${index}`))
  await settled(a, b)
})
afterAll(() => network.stop())

const get = (from: TestServer, uri: string): Promise<Json> => network.ask(from, 'a.example', { method: 'GET', uri })
const bodies = (pdus: Json[]) => pdus.map((pdu) => pdu.content.body)

describe('a server in the room', () => {
  test('gets an event, alone', async () => {
    const { pdus, origin } = await get(b, federationPath`/v1/event/${sent[3]!}`)
    expect([origin, bodies(pdus)]).toEqual(['a.example', ['message 3']])
  })

  test('gets state from before its time whole, also of a server that came after it', async () => {
    const { event_id } = (await alice.get(`/rooms/${encodeURIComponent(roomId)}/state`)).find(
      (event: Json) => event.type === 'm.room.name',
    )
    const uri = federationPath`/v1/event/${event_id}`
    const { pdus } = (await network.ask(a, 'b.example', { method: 'GET', uri })) as Json
    expect(pdus[0].content).toEqual({ name: 'Tea' })
  })

  test('gets earlier events, the newest first', async () => {
    const uri = `${federationPath`/v1/backfill/${roomId}`}?limit=3&v=${encodeURIComponent(sent[5]!)}`
    expect(bodies((await get(b, uri)).pdus)).toEqual(['message 5', 'message 4', 'message 3'])
  })

  test('gets what it misses, the oldest first', async () => {
    const uri = federationPath`/v1/get_missing_events/${roomId}`
    const content = { earliest_events: [sent[2]!], latest_events: [sent[6]!], limit: 10 }
    const { events } = (await network.ask(b, 'a.example', { method: 'POST', uri, content })) as Json
    expect(bodies(events)).toEqual(['message 3', 'message 4', 'message 5'])
  })

  test('gets the state before an event with what it rests on, whole or as ids', async () => {
    const query = `?event_id=${encodeURIComponent(sent[0]!)}`
    const whole = await get(b, `${federationPath`/v1/state/${roomId}`}${query}`)
    const ids = await get(b, `${federationPath`/v1/state_ids/${roomId}`}${query}`)
    expect(whole.pdus.map((pdu: Json) => pdu.type)).toEqual(
      expect.arrayContaining(['m.room.create', 'm.room.join_rules']),
    )
    expect(whole.pdus).toHaveLength(ids.pdu_ids.length)
    expect(whole.auth_chain).toHaveLength(ids.auth_chain_ids.length)
    expect(whole.auth_chain.map((pdu: Json) => pdu.type)).toContain('m.room.create')
    const chain = await get(b, federationPath`/v1/event_auth/${roomId}/${sent[0]!}`)
    expect(chain.auth_chain.map((pdu: Json) => pdu.type).sort()).toEqual([
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
    ])
  })
})

describe('a server outside', () => {
  test.each([
    ['an event', () => federationPath`/v1/event/${sent[3]!}`],
    ['history', () => `${federationPath`/v1/backfill/${roomId}`}?limit=3&v=${encodeURIComponent(sent[5]!)}`],
    ['state', () => `${federationPath`/v1/state/${roomId}`}?event_id=${encodeURIComponent(sent[0]!)}`],
    ['ids of state', () => `${federationPath`/v1/state_ids/${roomId}`}?event_id=${encodeURIComponent(sent[0]!)}`],
    ['an auth chain', () => federationPath`/v1/event_auth/${roomId}/${sent[0]!}`],
  ])('does not get %s', async (_what, uri) => {
    await expect(get(c, uri())).rejects.toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })

  test('nor does one that the access list keeps out', async () => {
    await alice.setState(roomId, 'm.room.server_acl', { allow: ['*'], deny: ['b.*'] })
    const uri = federationPath`/v1/event/${sent[3]!}`
    await expect(get(b, uri)).rejects.toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })
})

test('what was said before a server came is told without its content, where members alone see history', async () => {
  const initial_state = [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }]
  const closed = await alice.createRoom({ preset: 'public_chat', initial_state })
  const told = [await alice.send(closed, 'before')]
  const carol = sessionOf(c, await c.register('carol'))
  await carol.post(`/join/${encodeURIComponent(closed)}?via=a.example`)
  told.push(await alice.send(closed, 'after'))
  await settled(a, c)
  const seen: Json[] = []
  for (const eventId of told) seen.push(...(await get(c, federationPath`/v1/event/${eventId}`)).pdus)
  expect(bodies(seen)).toEqual([undefined, 'after'])
  const uri = `${federationPath`/v1/backfill/${closed}`}?limit=3&v=${encodeURIComponent(told[1]!)}`
  const page: Json[] = (await get(c, uri)).pdus
  expect(bodies(page.filter(({ type }) => type === 'm.room.message'))).toEqual(['after', undefined])
})
