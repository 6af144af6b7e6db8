import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, enterAsGuest, inRoom, type Json, type Session } from '../helpers/session.ts'

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  async function start(clientApi: Record<string, unknown> = {}): Promise<TestServer> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    const server = await startTestServer(clientApi, uri)
    running.push(server)
    return server
  }

  const restricted = (joinRule: string, ...rooms: string[]) => ({
    initial_state: [
      {
        type: 'm.room.join_rules',
        content: { join_rule: joinRule, allow: rooms.map((room_id) => ({ type: 'm.room_membership', room_id })) },
      },
    ],
  })

  test.each(['8', '10', '12'])('a restricted room of version %s lets in whom the other room knows', async (version) => {
    const server = await start()
    const [alice, bob, eve] = [await enter(server, 'alice'), await enter(server, 'bob'), await enter(server, 'eve')]
    const club = await alice.createRoom({ preset: 'public_chat' })
    const hall = await alice.createRoom({ room_version: version, ...restricted('restricted', '!nowhere:x', club) })
    await bob.post(`/join/${encodeURIComponent(club)}`)
    await bob.post(`${inRoom(hall)}/join`, {})
    expect(await alice.state(hall, 'm.room.member', bob.userId)).toMatchObject({
      membership: 'join',
      join_authorised_via_users_server: alice.userId,
    })
    expect(await eve.refused('POST', `${inRoom(hall)}/join`, {})).toBe('403 M_FORBIDDEN')
    // A voucher of one's own opens nothing.
    const forged = { membership: 'join', join_authorised_via_users_server: alice.userId }
    const own = `${inRoom(hall)}/state/m.room.member/${encodeURIComponent(eve.userId)}`
    expect(await eve.refused('PUT', own, forged)).toBe('403 M_FORBIDDEN')
    // An invite opens it as ever, without a voucher.
    await alice.post(`${inRoom(hall)}/invite`, { user_id: eve.userId })
    await eve.put(own, forged)
    expect(await alice.state(hall, 'm.room.member', eve.userId)).not.toHaveProperty('join_authorised_via_users_server')
  })

  test('nobody vouches who may not invite', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const club = await alice.createRoom({ preset: 'public_chat', invite: [bob.userId] })
    await bob.post(`${inRoom(club)}/join`)
    const hall = await alice.createRoom({
      room_version: '11',
      power_level_content_override: { invite: 50 },
      ...restricted('restricted', club),
    })
    const carol = await enter(server, 'carol')
    await carol.post(`${inRoom(club)}/join`)
    await alice.post(`${inRoom(hall)}/invite`, { user_id: bob.userId })
    await bob.post(`${inRoom(hall)}/join`)
    await alice.post(`${inRoom(hall)}/leave`)
    expect(await carol.refused('POST', `${inRoom(hall)}/join`, {})).toBe('403 M_UNABLE_TO_GRANT_JOIN')
  })

  test('a knock is answered by an invite, a kick or a ban, and taken back by leaving', async () => {
    const server = await start()
    const [alice, bob, eve] = [await enter(server, 'alice'), await enter(server, 'bob'), await enter(server, 'eve')]
    const room = await alice.createRoom({ name: 'Study', ...restricted('knock_restricted') })
    const knock = `/knock/${encodeURIComponent(room)}`
    expect(await bob.post(knock, { reason: 'may I?' })).toEqual({ room_id: room })
    const shown = (await bob.get('/sync')).rooms.knock[room].knock_state.events
    expect(shown.map((event: { type: string }) => event.type)).toContain('m.room.name')
    expect(await alice.state(room, 'm.room.member', bob.userId)).toMatchObject({
      membership: 'knock',
      reason: 'may I?',
    })
    expect(await bob.refused('POST', `${inRoom(room)}/join`, {})).toBe('403 M_FORBIDDEN')
    await alice.post(`${inRoom(room)}/invite`, { user_id: bob.userId })
    expect(await bob.refused('POST', knock, {})).toBe('403 M_FORBIDDEN')
    await bob.post(`${inRoom(room)}/join`)
    await eve.post(knock)
    await alice.post(`${inRoom(room)}/kick`, { user_id: eve.userId, reason: 'no' })
    await eve.post(knock)
    await eve.post(`${inRoom(room)}/leave`)
    expect(await alice.membership(room, eve.userId)).toBe('leave')
    await eve.post(knock)
    await alice.post(`${inRoom(room)}/ban`, { user_id: eve.userId })
    expect(await eve.refused('POST', knock, {})).toBe('403 M_FORBIDDEN')
    const closed = await alice.createRoom({ preset: 'public_chat' })
    expect(await bob.refused('POST', `/knock/${encodeURIComponent(closed)}`, {})).toBe('403 M_FORBIDDEN')
    expect(await bob.refused('POST', '/knock/!none:test.example', {})).toBe('404 M_NOT_FOUND')
  })

  test('kick is for who is in the room, unban for the banned, and a second invite changes nothing', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom()
    const on = (verb: string, body = { user_id: bob.userId }) => alice.call('POST', `${inRoom(room)}/${verb}`, body)
    expect((await on('kick')).status).toBe(403)
    expect((await on('unban')).status).toBe(403)
    await alice.post(`${inRoom(room)}/invite`, { user_id: bob.userId })
    const first = await memberEventId(alice, room, bob.userId)
    expect((await on('invite')).status).toBe(200)
    expect(await memberEventId(alice, room, bob.userId)).toBe(first)
    expect((await on('kick')).status).toBe(200)
    expect((await on('kick')).status).toBe(403)
    expect((await on('ban')).status).toBe(200)
    expect((await on('kick')).status).toBe(403)
    expect((await on('unban')).status).toBe(200)
    expect(await alice.membership(room, bob.userId)).toBe('leave')
    expect((await on('invite', { user_id: 'bob' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await on('invite', {} as never)).body.errcode).toBe('M_MISSING_PARAM')
    const address = { id_server: 'id.example', id_access_token: 'x', medium: 'email', address: 'b@example.org' }
    expect((await on('invite', address as never)).body.errcode).toBe('M_SERVER_NOT_TRUSTED')
    expect(await alice.refused('POST', '/createRoom', { invite_3pid: [address] })).toBe('403 M_SERVER_NOT_TRUSTED')
  })

  test('who blocks invites gets none', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom()
    const config = `/user/${encodeURIComponent(bob.userId)}/account_data/m.invite_permission_config`
    await bob.put(config, { default_action: 'block' })
    const invite = { user_id: bob.userId }
    expect(await alice.refused('POST', `${inRoom(room)}/invite`, invite)).toBe('403 M_INVITE_BLOCKED')
    const member = `${inRoom(room)}/state/m.room.member/${encodeURIComponent(bob.userId)}`
    expect(await alice.refused('PUT', member, { membership: 'invite' })).toBe('403 M_INVITE_BLOCKED')
    expect(await alice.refused('POST', '/createRoom', { invite: [bob.userId] })).toBe('403 M_INVITE_BLOCKED')
    const initial = { type: 'm.room.member', state_key: bob.userId, content: { membership: 'invite' } }
    expect(await alice.refused('POST', '/createRoom', { initial_state: [initial] })).toBe('403 M_INVITE_BLOCKED')
    await bob.put(config, {})
    await alice.post(`${inRoom(room)}/invite`, invite)
    // An invite that was there before is hidden too, and comes back with the permission.
    const shown = async () => {
      const { rooms } = await bob.get('/initialSync')
      return [Object.keys((await bob.sync()).rooms?.invite ?? {}), rooms.map((one: Json) => one.room_id)]
    }
    expect(await shown()).toEqual([[room], [room]])
    await bob.put(config, { default_action: 'block' })
    expect(await shown()).toEqual([[], []])
    await bob.put(config, { default_action: 'other' })
    expect(await shown()).toEqual([[room], [room]])
  })

  test('what ignored users say is left out of history, and what they do to the room is not', async () => {
    const server = await start()
    const [alice, troll] = [await enter(server, 'alice'), await enter(server, 'troll')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    await troll.join(room)
    await troll.send(room, 'noise')
    const eventId = await alice.send(room, 'words')
    await troll.put(`/profile/${encodeURIComponent(troll.userId)}/displayname`, { displayname: 'Renamed' })
    const list = { ignored_users: { [troll.userId]: {} } }
    await alice.put(`/user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`, list)
    const sender = (event: Json) => (event.sender === troll.userId ? [event.type] : [])
    const { chunk } = await alice.get(`${inRoom(room)}/messages?dir=b`)
    expect(chunk.flatMap(sender)).toEqual(['m.room.member', 'm.room.member'])
    const around = await alice.get(`${inRoom(room)}/context/${encodeURIComponent(eventId)}?limit=20`)
    expect([...around.events_before, ...around.events_after].flatMap(sender)).toEqual([
      'm.room.member',
      'm.room.member',
    ])
  })

  test('guests come in where guests may, and leave when they may not any more', async () => {
    const server = await start({ guests_disabled: false })
    const alice = await enter(server, 'alice')
    const [guest, other] = [await enterAsGuest(server), await enterAsGuest(server)]
    const room = await alice.createRoom({ preset: 'public_chat' })
    const access = (guest_access: string) => alice.put(`${inRoom(room)}/state/m.room.guest_access`, { guest_access })
    expect(await guest.refused('POST', `${inRoom(room)}/join`, {})).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
    const own = `${inRoom(room)}/state/m.room.member/${encodeURIComponent(guest.userId)}`
    expect(await guest.refused('PUT', own, { membership: 'join' })).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
    await access('can_join')
    await guest.post(`${inRoom(room)}/join`)
    await other.post(`/join/${encodeURIComponent(room)}`)
    await guest.put(`${inRoom(room)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hi' })
    expect(await guest.refused('POST', '/createRoom', {})).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
    const bob = await enter(server, 'bob')
    await bob.post(`${inRoom(room)}/join`)
    await access('forbidden')
    for (const expelled of [guest, other]) expect(await alice.membership(room, expelled.userId)).toBe('leave')
    expect(await alice.membership(room, bob.userId)).toBe('join')
    expect(await guest.refused('POST', `${inRoom(room)}/join`, {})).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
  })

  test('a guest becomes a full user under the same name, and nobody else’s', async () => {
    const server = await start({ guests_disabled: false })
    const alice = await enter(server, 'alice')
    const [guest, other] = [await enterAsGuest(server), await enterAsGuest(server)]
    const room = await alice.createRoom({ preset: 'private_chat', invite: [guest.userId] })
    await guest.join(room)
    const register = (more: object) =>
      server.call('POST', '/_matrix/client/v3/register', {
        body: { auth: { type: 'm.login.dummy' }, password: 'correct horse battery', ...more },
      })
    const username = guest.userId.slice(1, guest.userId.indexOf(':'))
    expect((await register({ username, guest_access_token: other.token })).status).toBe(403)
    expect((await register({ username: 'alice', guest_access_token: alice.token })).status).toBe(403)
    expect((await register({ guest_access_token: guest.token })).body.errcode).toBe('M_MISSING_PARAM')
    expect((await register({ username })).body.errcode).toBe('M_USER_IN_USE')
    const tries = await Promise.all([1, 2, 3].map(() => register({ username, guest_access_token: guest.token })))
    expect(tries.map((reply) => reply.status).sort()).toEqual([200, 403, 403])
    await alice.put(`${inRoom(room)}/state/m.room.guest_access`, { guest_access: 'forbidden' })
    expect(await alice.membership(room, guest.userId)).toBe('join')
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: username } }
    const body = { ...login, password: 'correct horse battery' }
    expect((await server.call('POST', '/_matrix/client/v3/login', { body })).body.user_id).toBe(guest.userId)
    await guest.createRoom()
  })

  test('a member event can carry a name for one room and keys of its own', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.post(`/join/${encodeURIComponent(room)}`, { foo: 'bar', reason: 'tea' })
    expect(await bob.state(room, 'm.room.member', bob.userId)).toMatchObject({ foo: 'bar', reason: 'tea' })
    const own = `${inRoom(room)}/state/m.room.member/${encodeURIComponent(bob.userId)}`
    await bob.put(own, { membership: 'join', displayname: 'Robert' })
    expect(await alice.state(room, 'm.room.member', bob.userId)).toEqual({ membership: 'join', displayname: 'Robert' })
    await alice.put(`${inRoom(room)}/state/m.room.member/${encodeURIComponent('@eve:test.example')}`, {
      membership: 'invite',
      displayname: 'The Queen',
    })
    expect(await alice.state(room, 'm.room.member', '@eve:test.example')).toEqual({ membership: 'invite' })
    expect(await bob.refused('PUT', own, { membership: 'sleep' })).toBe('400 M_BAD_JSON')
    expect(await bob.refused('PUT', own, {})).toBe('400 M_BAD_JSON')
  })

  test('a room is forgotten once it is left, and known again once it is joined', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    expect(await bob.refused('POST', `${inRoom(room)}/forget`)).toBe('404 M_NOT_FOUND')
    await bob.post(`${inRoom(room)}/join`)
    expect(await bob.refused('POST', `${inRoom(room)}/forget`)).toBe('400 M_UNKNOWN')
    await bob.post(`${inRoom(room)}/leave`)
    await bob.post(`${inRoom(room)}/leave`)
    expect((await bob.get(`${inRoom(room)}/messages?dir=b`)).chunk).not.toEqual([])
    await bob.post(`${inRoom(room)}/forget`)
    await bob.post(`${inRoom(room)}/forget`)
    const reads = ['messages?dir=b', 'state', 'state/m.room.create', 'members']
    for (const path of reads) expect(await bob.refused('GET', `${inRoom(room)}/${path}`)).toBe('403 M_FORBIDDEN')
    expect((await bob.sync(undefined, { filter: { room: { include_leave: true } } })).rooms?.leave).toBeUndefined()
    await bob.post(`${inRoom(room)}/join`)
    expect((await bob.get('/joined_rooms')).joined_rooms).toEqual([room])
  })
})

async function memberEventId(client: Session, roomId: string, userId: string): Promise<string> {
  const path = `${inRoom(roomId)}/state/m.room.member/${encodeURIComponent(userId)}?format=event`
  return (await client.get(path)).event_id
}
