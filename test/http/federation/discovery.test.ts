import { beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson, type JsonValue } from '../../../src/core/json.ts'
import { readRoomSummary } from '../../../src/core/room-summary.ts'
import { readRemoteSpace } from '../../../src/core/space.ts'
import { federationPath } from '../../../src/remote/ask-server.ts'
import { eachNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { type Json, type Session, sessionOf } from '../../helpers/session.ts'

eachNetwork(['a.example', 'b.example'], (joint) => {
  let network: TestNetwork
  let [a, b]: TestServer[] = []
  let alice: Session
  let bob: Session
  beforeAll(async () => {
    network = joint.network
    ;[a, b] = joint.servers
    alice = sessionOf(a!, await a!.register('alice'))
    bob = sessionOf(b!, await b!.register('bob'))
  })

  const get = (uri: string): Promise<Json> => network.ask(b!, 'a.example', { method: 'GET', uri })

  describe('the directory of published rooms', () => {
    let roomId: string
    beforeAll(async () => {
      roomId = await alice.createRoom({ visibility: 'public', name: 'Tea', topic: 'Leaves' })
      await alice.createRoom({ visibility: 'public', name: 'Cosmos', creation_content: { type: 'm.space' } })
      await alice.createRoom({ name: 'Hidden' })
    })

    test('is read by other servers, whole and filtered', async () => {
      const whole = await get('/_matrix/federation/v1/publicRooms?limit=10')
      expect(whole.chunk.map((room: Json) => room.name).sort()).toEqual(['Cosmos', 'Tea'])
      const uri = '/_matrix/federation/v1/publicRooms'
      const content = { filter: { generic_search_term: 'leaves' }, limit: 5 }
      const found = (await network.ask(b!, 'a.example', { method: 'POST', uri, content })) as Json
      expect(found.chunk.map((room: Json) => room.room_id)).toEqual([roomId])
    })

    test('is shown to the clients of other servers, page by page', async () => {
      const one = await bob.get('/publicRooms?server=a.example&limit=1')
      const two = await bob.get(`/publicRooms?server=a.example&limit=1&since=${encodeURIComponent(one.next_batch)}`)
      expect([...one.chunk, ...two.chunk].map((room: Json) => room.name).sort()).toEqual(['Cosmos', 'Tea'])
      const spaces = await bob.post('/publicRooms?server=a.example', { filter: { room_types: ['m.space'] } })
      expect(spaces.chunk.map((room: Json) => room.name)).toEqual(['Cosmos'])
    })

    test('of a server that is away, or none, is an error', async () => {
      expect(await bob.refused('GET', '/publicRooms?server=none.example')).toBe('502 M_UNKNOWN')
      expect(await bob.refused('GET', '/publicRooms?server=not%20a%20name')).toBe('400 M_INVALID_PARAM')
    })
  })

  describe('a profile', () => {
    test('is asked of the server of the user, whole or one field', async () => {
      await alice.put(`/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' })
      const path = `/profile/${encodeURIComponent(alice.userId)}`
      expect(await bob.get(path)).toEqual({ displayname: 'Alice' })
      expect(await bob.get(`${path}/displayname`)).toEqual({ displayname: 'Alice' })
      expect(await bob.refused('GET', `${path}/avatar_url`)).toBe('404 M_NOT_FOUND')
    })

    test('of nobody, or of a server that is away, is an error', async () => {
      const path = (userId: string) => `/profile/${encodeURIComponent(userId)}`
      expect(await bob.refused('GET', path('@nobody:a.example'))).toBe('404 M_NOT_FOUND')
      expect(await bob.refused('GET', path('@alice:none.example'))).toBe('502 M_UNKNOWN')
    })
  })

  describe('a space', () => {
    let space: string
    const rooms: Record<string, string> = {}
    beforeAll(async () => {
      const named = (name: string, more = {}) => alice.createRoom({ preset: 'public_chat', name, ...more })
      space = await named('Top', { creation_content: { type: 'm.space' } })
      rooms.open = await named('Open')
      rooms.secret = await alice.createRoom({ name: 'Secret' })
      rooms.below = await named('Below', { creation_content: { type: 'm.space' } })
      rooms.deep = await named('Deep')
      rooms.bobs = await bob.createRoom({ preset: 'public_chat', name: 'Of Bob' })
      const via = { via: ['a.example'] }
      for (const [parent, child] of [
        [space, rooms.open],
        [space, rooms.secret],
        [space, rooms.below],
        [rooms.below, rooms.deep],
      ] as const)
        await alice.setState(parent!, 'm.space.child', via, child)
      await alice.setState(space, 'm.space.child', { via: ['b.example'] }, rooms.bobs)
    })

    test('is told to other servers as far as their users get in', async () => {
      const answer = await get(federationPath`/v1/hierarchy/${space}`)
      expect(answer.room).toMatchObject({ room_id: space, room_type: 'm.space' })
      expect(answer.room.children_state).toHaveLength(4)
      expect(answer.children.map((room: Json) => room.name).sort()).toEqual(['Below', 'Open'])
      expect(answer.inaccessible_children).toEqual([rooms.secret])
      const uri = federationPath`/v1/hierarchy/${rooms.secret!}`
      await expect(get(uri)).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
    })

    test('is walked through by clients of another server, with what either server knows', async () => {
      const mine = await bob.createRoom({ preset: 'public_chat', creation_content: { type: 'm.space' } })
      await bob.setState(mine, 'm.space.child', { via: ['a.example'] }, space)
      const path = `/_matrix/client/v1/rooms/${encodeURIComponent(mine)}/hierarchy`
      const names = (page: Json) => page.rooms.map((room: Json) => room.name)
      const whole = await bob.get(path)
      expect([whole.rooms[0].room_id, ...names(whole).slice(1).sort()]).toEqual([
        mine,
        ...['Below', 'Deep', 'Of Bob', 'Open', 'Top'],
      ])
      const first = await bob.get(`${path}?limit=4`)
      const second = await bob.get(`${path}?limit=4&from=${first.next_batch}`)
      expect([...names(first), ...names(second)]).toEqual(names(whole))
      const asked = network.carried.filter(({ uri }) => uri.includes('/hierarchy/') && uri.includes('suggested'))
      expect(asked).toHaveLength(2)
    })
  })

  test('people of rooms that this server has left are in its user directory no more', async () => {
    const zoe = sessionOf(a!, await a!.register('zoe'))
    const roomId = await zoe.createRoom({ preset: 'public_chat' })
    await bob.post(`/join/${encodeURIComponent(roomId)}?via=a.example`)
    await settled(a!, b!)
    const found = async () => (await bob.post('/user_directory/search', { search_term: 'zoe' })).results
    expect((await found()).map((user: Json) => user.user_id)).toEqual([zoe.userId])
    await bob.post(`/rooms/${encodeURIComponent(roomId)}/leave`)
    await settled(a!, b!)
    expect(await found()).toEqual([])
  })

  test('a room is found by time, also before what is held', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const early = await alice.send(roomId, 'early')
    const { origin_server_ts: ts } = await alice.get(`/rooms/${encodeURIComponent(roomId)}/event/${early}`)
    for (let index = 0; index < 5; index++) await alice.send(roomId, `later ${index}`)
    await bob.post(`/join/${encodeURIComponent(roomId)}?via=a.example`)
    await settled(a!, b!)
    const near = await get(`${federationPath`/v1/timestamp_to_event/${roomId}`}?ts=${ts}&dir=f`)
    expect(near.origin_server_ts).toBe(ts)
    const query = `timestamp_to_event?ts=${ts}&dir=b`
    const found = await bob.get(`/_matrix/client/v1/rooms/${encodeURIComponent(roomId)}/${query}`)
    const event = await bob.get(`/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(found.event_id)}`)
    expect(event.origin_server_ts).toBe(ts)
    await expect(
      get(`${federationPath`/v1/timestamp_to_event/${roomId}`}?ts=${ts + 3_600_000}&dir=f`),
    ).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
  })
})

describe('what another server tells', () => {
  const room = { room_id: '!r:a.example', num_joined_members: 2, world_readable: true, guest_can_join: false }

  test.each<[string, JsonValue, unknown]>([
    ['as it should be', { ...room, name: 'Tea' }, { ...room, name: 'Tea' }],
    [
      'with keys of other types',
      { ...room, name: 7, topic: null, num_joined_members: -1 },
      { ...room, num_joined_members: 0 },
    ],
    ['with keys nobody knows', { ...room, evil: true, __proto__: {} }, room],
    ['of no room', { ...room, room_id: 'tea' }, undefined],
    ['that is no object', 7, undefined],
  ])('of a room %s', (_what, told, read) => {
    expect(readRoomSummary(told)).toEqual(read)
  })

  test('of a space: only of the one that was asked about, and only children that are events', () => {
    const child = { type: 'm.space.child', state_key: '!c:a.example', sender: '@a:a.example', content: {} }
    const answer = { room: { ...room, children_state: [child, 7, { type: 'm.room.name' }] }, children: [room, null] }
    const space = readRemoteSpace(answer, room.room_id)
    expect(space?.children).toEqual([
      { state_key: '!c:a.example', sender: '@a:a.example', content: {}, origin_server_ts: 0 },
    ])
    expect([...space!.summaries.keys()]).toEqual([room.room_id])
    expect(readRemoteSpace(answer, '!other:a.example')).toBeUndefined()
    expect(canonicalJson([...space!.inaccessible])).toBe('[]')
  })
})
