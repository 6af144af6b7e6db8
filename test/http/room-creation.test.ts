import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, inRoom, type Json } from '../helpers/session.ts'

interface StateEvent {
  readonly type: string
  readonly state_key: string
  readonly content: Json
}

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  async function start(): Promise<TestServer> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    const server = await startTestServer({}, uri)
    running.push(server)
    return server
  }

  test.each([
    ['private_chat', 'invite', 'can_join'],
    ['trusted_private_chat', 'invite', 'can_join'],
    ['public_chat', 'public', undefined],
  ])('the preset %s', async (preset, joinRule, guestAccess) => {
    const alice = await enter(await start(), 'alice')
    const room = await alice.createRoom({ preset })
    expect(await alice.state(room, 'm.room.join_rules')).toEqual({ join_rule: joinRule })
    // A room that says nothing takes no guests.
    const { body } = await alice.call('GET', `${inRoom(room)}/state/m.room.guest_access`)
    expect(body.guest_access).toBe(guestAccess)
    expect(await alice.state(room, 'm.room.history_visibility')).toEqual({ history_visibility: 'shared' })
  })

  test('every option has its effect, and the events come in their order', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    await bob.put(`/profile/${encodeURIComponent(bob.userId)}/displayname`, { displayname: 'Bob' })
    const room = await alice.createRoom({
      visibility: 'public',
      room_alias_name: 'thepub',
      name: 'The Grand Duke',
      topic: 'Happy hour',
      invite: [bob.userId, bob.userId],
      is_direct: true,
      room_version: '11',
      creation_content: { 'm.federate': false, type: 'm.space', creator: '@eve:test.example', room_version: 'x' },
      power_level_content_override: { invite: 50, events: { 'm.room.name': 25 } },
      initial_state: [
        { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } },
        { type: 'org.example', state_key: 'key', content: { x: 1 } },
        { type: 'm.room.name', content: { name: 'not this' } },
      ],
    })
    const events: StateEvent[] = (await alice.get(`${inRoom(room)}/messages?dir=f&limit=50`)).chunk
    expect(events.map((event) => event.type)).toEqual([
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
      'm.room.canonical_alias',
      'm.room.history_visibility',
      'm.room.join_rules',
      'org.example',
      'm.room.name',
      'm.room.name',
      'm.room.topic',
      'm.room.member',
    ])
    expect(events[0]?.content).toEqual({ 'm.federate': false, type: 'm.space', room_version: '11' })
    expect(events[2]?.content).toMatchObject({
      invite: 50,
      events: { 'm.room.name': 25 },
      users: { [alice.userId]: 100 },
    })
    expect(await alice.state(room, 'm.room.name')).toEqual({ name: 'The Grand Duke' })
    expect(await alice.state(room, 'm.room.topic')).toEqual({
      topic: 'Happy hour',
      'm.topic': { 'm.text': [{ body: 'Happy hour' }] },
    })
    expect(events.at(-1)).toMatchObject({
      state_key: bob.userId,
      content: { membership: 'invite', is_direct: true, displayname: 'Bob' },
    })
    expect((await bob.get('/sync')).rooms.invite[room]).toBeDefined()
    expect(await alice.get('/directory/room/%23thepub%3Atest.example')).toMatchObject({ room_id: room })
    expect(await alice.get(`/directory/list/room/${encodeURIComponent(room)}`)).toEqual({ visibility: 'public' })
  })

  test('a trusted private chat gives the invited the creator’s power', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const wish = { preset: 'trusted_private_chat', invite: [bob.userId] }
    const old = await alice.createRoom({ ...wish, room_version: '11' })
    expect((await alice.state(old, 'm.room.power_levels')).users).toEqual({ [alice.userId]: 100, [bob.userId]: 100 })
    const carol = '@carol:elsewhere'
    const creation_content = { additional_creators: [carol, bob.userId] }
    const room = await alice.createRoom({ ...wish, room_version: '12', creation_content })
    expect((await alice.state(room, 'm.room.create')).additional_creators).toEqual([carol, bob.userId])
    const levels = await alice.state(room, 'm.room.power_levels')
    expect(levels.users).toEqual({})
    expect(levels.events['m.room.tombstone']).toBeGreaterThan(levels.state_default)
    await bob.post(`${inRoom(room)}/join`)
    await bob.put(`${inRoom(room)}/state/m.room.tombstone`, { body: 'over' })
  })

  test('a server that is away does not keep a room from being made', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom({ invite: ['@eve:gone.invalid', bob.userId] })
    expect(await alice.membership(room, bob.userId)).toBe('invite')
    expect(await alice.refused('GET', `${inRoom(room)}/state/m.room.member/@eve:gone.invalid`)).toBe('404 M_NOT_FOUND')
  })

  test('what cannot be made is refused with its own error, and leaves nothing behind', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const refused = (body: object) => alice.refused('POST', '/createRoom', body)
    expect(await refused({ room_version: 'none' })).toBe('400 M_UNSUPPORTED_ROOM_VERSION')
    expect(await refused({ room_version: 1 })).toBe('400 M_BAD_JSON')
    expect(await refused({ preset: 'none' })).toBe('400 M_BAD_JSON')
    expect(await refused({ invite: ['bob'] })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ invite: Array.from({ length: 101 }, (_, n) => `@u${n}:x`) })).toBe('400 M_BAD_JSON')
    expect(await refused({ room_alias_name: 'a b' })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ room_alias_name: '' })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ room_alias_name: 'x'.repeat(250) })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ name: 'x'.repeat(66_000) })).toBe('413 M_TOO_LARGE')
    expect(await refused({ creation_content: { additional_creators: 'x' }, room_version: '12' })).toBe(
      '400 M_INVALID_PARAM',
    )
    const powerless = { users: { [alice.userId]: 10 } }
    expect(await refused({ name: 'x', room_version: '11', power_level_content_override: powerless })).toBe(
      '400 M_INVALID_ROOM_STATE',
    )
    const again = [{ type: 'm.room.create', content: {} }]
    expect(await refused({ initial_state: again })).toBe('400 M_INVALID_ROOM_STATE')
    const elsewhere = [{ type: 'm.room.canonical_alias', content: { alias: '#other:test.example' } }]
    expect(await refused({ initial_state: elsewhere })).toBe('400 M_BAD_ALIAS')
    await bob.createRoom({ room_alias_name: 'taken' })
    expect(await refused({ room_alias_name: 'taken' })).toBe('400 M_ROOM_IN_USE')
    expect((await alice.get('/joined_rooms')).joined_rooms).toEqual([])
  })
})
