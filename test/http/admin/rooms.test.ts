import { expect, test, vi } from 'vitest'
import { eachServer } from '../../helpers/each-server.ts'
import { enter, enterAsAdmin, inRoom, type Json, logIn } from '../../helpers/session.ts'

const V1 = '/_synapse/admin/v1'
const path = (roomId: string, what = '') => `${V1}/rooms/${encodeURIComponent(roomId)}${what}`

eachServer({}, (server) => {
  test('rooms are listed, found, sorted and shown', async () => {
    const [root, ann, ben] = [
      await enterAsAdmin(server, 'root'),
      await enter(server, 'ann'),
      await enter(server, 'ben'),
    ]
    const small = await ann.createRoom({ name: 'Apples 100%', creation_content: { 'm.federate': false } })
    const big = await ann.createRoom({ name: 'Bananas', visibility: 'public', room_alias_name: 'fruit' })
    await ben.join(big)
    const ids = async (query: string) =>
      (await root.get(`${V1}/rooms?${query}`)).rooms.map((room: Json) => room.room_id)
    expect(await ids('')).toEqual([small, big])
    expect(await ids('order_by=joined_members')).toEqual([big, small])
    expect(await ids('order_by=joined_members&dir=b')).toEqual([small, big])
    expect(await ids('search_term=100%25')).toEqual([small])
    expect(await ids('search_term=FRUIT')).toEqual([big])
    const page = await root.get(`${V1}/rooms?limit=1`)
    expect([page.total_rooms, page.offset, page.next_batch, page.prev_batch]).toEqual([2, 0, 1, undefined])
    expect(await root.get(`${V1}/rooms?limit=1&from=1`)).toMatchObject({ offset: 1, prev_batch: 0 })
    for (const order of ['canonical_alias', 'version', 'creator', 'encryption', 'public', 'join_rules', 'nonsense']) {
      expect(await ids(`order_by=${order}`)).toHaveLength(2)
    }
    expect(await root.get(path(small))).toMatchObject({ name: 'Apples 100%', federatable: false, joined_members: 1 })
    expect(await root.get(path(big))).toMatchObject({
      creator: ann.userId,
      canonical_alias: '#fruit:test.example',
      joined_members: 2,
      joined_local_members: 2,
      public: true,
      join_rules: 'public',
      federatable: true,
    })
    expect(await root.get(path(big, '/members'))).toEqual({ members: [ann.userId, ben.userId], total: 2 })
    const { state } = await root.get(path(small, '/state'))
    expect(state.map((event: Json) => event.type)).toContain('m.room.create')
    expect(state).toHaveLength((await root.get(path(small))).state_events)
    expect(await root.refusal('GET', path('!nothing:test.example'))).toBe('404 M_NOT_FOUND')
  })

  test('a room is ended for everybody here, and blocked until an administrator says otherwise', async () => {
    const [root, ann, ben] = [
      await enterAsAdmin(server, 'root2'),
      await enter(server, 'ann2'),
      await enter(server, 'ben2'),
    ]
    const room = await ann.createRoom({ visibility: 'public', room_alias_name: 'end', invite: [root.userId] })
    await ben.join(room)
    const refused = { new_room_user_id: ann.userId }
    expect(await root.refusal('DELETE', path(room), refused)).toBe('400 M_INVALID_PARAM')
    const { body } = await root.call('DELETE', path(room), { block: true, message: 'spam' })
    expect(body).toEqual({
      kicked_users: [ann.userId, ben.userId, root.userId],
      failed_to_kick_users: [],
      local_aliases: ['#end:test.example'],
      new_room_id: null,
    })
    expect((await ben.get('/joined_rooms')).joined_rooms).toEqual([])
    expect(await ben.refusal('GET', '/directory/room/%23end:test.example')).toBe('404 M_NOT_FOUND')
    expect((await ben.get('/publicRooms')).chunk.map((one: Json) => one.room_id)).not.toContain(room)
    expect(await root.get(path(room, '/block'))).toEqual({ block: true })
    expect(await ben.refusal('POST', `/join/${encodeURIComponent(room)}`, {})).toBe('403 M_FORBIDDEN')
    await root.put(path(room, '/block'), { block: false })
    // Nobody is in it any more who could let anybody in.
    expect(await ben.refusal('POST', `/join/${encodeURIComponent(room)}`, {})).toBe('404 M_NOT_FOUND')
  })

  test('a room is ended in the background, and what came of it can be asked for', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root3'), await enter(server, 'ann3')]
    const room = await ann.createRoom({ preset: 'public_chat' })
    const v2 = '/_synapse/admin/v2/rooms'
    const status = `${v2}/${encodeURIComponent(room)}/delete_status`
    expect(await root.refusal('GET', status)).toBe('404 M_NOT_FOUND')
    expect(await root.refusal('DELETE', `${v2}/!nothing:test.example`, {})).toBe('404 M_NOT_FOUND')
    const { delete_id: id } = (await root.call('DELETE', `${v2}/${encodeURIComponent(room)}`, { block: true })).body
    await vi.waitFor(async () => expect((await root.get(`${v2}/delete_status/${id}`)).status).toBe('complete'), 10_000)
    const outcome = { kicked_users: [ann.userId], failed_to_kick_users: [], local_aliases: [], new_room_id: null }
    const result = { delete_id: id, room_id: room, status: 'complete', shutdown_room: outcome }
    expect(await root.get(status)).toEqual({ results: [result] })
    expect(await root.refusal('GET', `${v2}/delete_status/invented`)).toBe('404 M_NOT_FOUND')
    expect((await ann.get('/joined_rooms')).joined_rooms).toEqual([])
    expect(await root.get(path(room, '/block'))).toEqual({ block: true })
  })

  test.each(['10', '11', '12'])('an administrator is given power in a room of version %s', async (version) => {
    const [root, ann] = [await enterAsAdmin(server, `root-${version}`), await enter(server, `ann-${version}`)]
    const helper = await enter(server, `helper-${version}`)
    const room = await ann.createRoom({ room_version: version, preset: 'private_chat' })
    await root.post(path(room, '/make_room_admin'))
    expect((await ann.state(room, 'm.room.power_levels')).users[root.userId]).toBe(100)
    expect(await ann.membership(room, root.userId)).toBe('invite')
    await root.join(room)
    await root.post(path(room, '/make_room_admin'), { user_id: helper.userId })
    await helper.join(room)
    await helper.setState(room, 'm.room.power_levels', await helper.state(room, 'm.room.power_levels'))

    const guarded = await ann.createRoom({ room_version: version, preset: 'private_chat' })
    const body = { user_id: helper.userId }
    expect(await root.refusal('POST', `${V1}/join/${encodeURIComponent(guarded)}`, body)).toBe('403 M_FORBIDDEN')
    expect(await root.post(`${V1}/join/${encodeURIComponent(room)}`, { user_id: ann.userId })).toEqual({
      room_id: room,
    })
    await ann.post(`${inRoom(guarded)}/invite`, { user_id: root.userId })
    await root.join(guarded)
    await root.post(`${V1}/join/${encodeURIComponent(guarded)}`, body)
    expect(await ann.membership(guarded, helper.userId)).toBe('join')
  })

  test('nobody gives power in a room whose local members have none', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root4'), await enter(server, 'ann4')]
    const room = await ann.createRoom({ room_version: '11' })
    await ann.setState(room, 'm.room.power_levels', { users: { [ann.userId]: 0 } })
    expect(await root.refusal('POST', path(room, '/make_room_admin'), {})).toBe('403 M_FORBIDDEN')
  })

  test('what scripts for the Go Dendrite ask for', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root5'), await enter(server, 'ann5')]
    const room = await ann.createRoom()
    const other = await ann.createRoom()
    const evacuated = await root.post(`/_dendrite/admin/evacuateRoom/${encodeURIComponent(other)}`)
    expect(evacuated).toEqual({ affected: [ann.userId] })
    expect(await root.post(`/_dendrite/admin/evacuateUser/${ann.userId}`)).toEqual({ affected: [room] })
    const password = 'correct horse battery'
    expect(await root.post(`/_dendrite/admin/resetPassword/${ann.userId}`, { password, logout_devices: true })).toEqual(
      {
        password_updated: true,
      },
    )
    expect(await ann.refusal('GET', '/account/whoami')).toBe('401 M_UNKNOWN_TOKEN')
    expect((await logIn(server, 'ann5')).userId).toBe(ann.userId)
    expect((await server.call('GET', `${V1}/server_version`)).body.server_version).toMatch(/^Dendrite /)
  })
})
