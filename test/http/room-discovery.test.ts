import { describe, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, enterAsGuest, inRoom, type Json, type Session } from '../helpers/session.ts'

const V1 = '/_matrix/client/v1'
/** Of one page of a space with 40 rooms, what reads the log at the same time included. */
const MAX_QUERIES = 20

eachServer({ guests_disabled: false }, (server) => {
  describe('published rooms', () => {
    test('are listed the largest first, paged both ways and searched', async () => {
      const [ada, ben] = [await enter(server, 'ada'), await enter(server, 'ben')]
      const rooms: string[] = []
      for (let n = 0; n < 7; n++) rooms.push(await ada.createRoom({ visibility: 'public', name: `Hall ${n}` }))
      const crowd = await ada.createRoom({
        visibility: 'public',
        name: 'Crowd',
        topic: 'Où sont les WOMBLES',
        room_alias_name: 'crowd',
        creation_content: { type: 'm.space' },
        initial_state: [
          { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } },
          { type: 'm.room.guest_access', content: { guest_access: 'can_join' } },
          { type: 'm.room.avatar', content: { url: 'mxc://test.example/a' } },
        ],
      })
      await ada.createRoom({ name: 'Secret' })
      await ben.join(crowd)

      const all = await server.call('GET', '/_matrix/client/v3/publicRooms')
      expect(all.body).toMatchObject({ total_room_count_estimate: 8 })
      const chunk = all.body.chunk as Json[]
      expect(chunk[0]).toEqual({
        room_id: crowd,
        name: 'Crowd',
        topic: 'Où sont les WOMBLES',
        avatar_url: 'mxc://test.example/a',
        canonical_alias: '#crowd:test.example',
        room_type: 'm.space',
        join_rule: 'public',
        num_joined_members: 2,
        world_readable: true,
        guest_can_join: true,
      })
      expect(chunk.map((room) => room.room_id).sort()).toEqual([crowd, ...rooms].sort())
      expect(chunk[1]).toMatchObject({ world_readable: false, guest_can_join: false, num_joined_members: 1 })

      const pages = await pageForwards(ben, 3)
      expect(pages.map((page) => page.chunk.length)).toEqual([3, 3, 2])
      expect(pages.flatMap((page) => page.chunk)).toEqual(chunk)
      expect([pages[0].prev_batch, pages[2].next_batch]).toEqual([undefined, undefined])
      const back = await ben.post('/publicRooms', { limit: 3, since: pages[2].prev_batch })
      expect(back.chunk).toEqual(pages[1].chunk)
      const first = await ben.get(`/publicRooms?limit=3&since=${back.prev_batch}`)
      expect([first.chunk, first.prev_batch]).toEqual([pages[0].chunk, undefined])
      expect((await ben.post('/publicRooms', { limit: 3, since: first.next_batch })).chunk).toEqual(pages[1].chunk)

      const found = async (filter: object) =>
        (await ben.post('/publicRooms', { filter })).chunk.map((room: Json) => room.name).sort()
      expect(await found({ generic_search_term: 'wombles' })).toEqual(['Crowd'])
      expect(await found({ generic_search_term: 'OÙ' })).toEqual(['Crowd'])
      expect(await found({ generic_search_term: '#CROWD' })).toEqual(['Crowd'])
      expect(await found({ generic_search_term: '%' })).toEqual([])
      expect(await found({ generic_search_term: 'hall', room_types: ['m.space'] })).toEqual([])
      expect(await found({ room_types: ['m.space'] })).toEqual(['Crowd'])
      expect(await found({ room_types: [null] })).toHaveLength(7)
      expect(await found({ generic_search_term: null, room_types: null })).toHaveLength(8)
      const searched = await ben.post('/publicRooms', { limit: 4, filter: { generic_search_term: 'hall' } })
      const rest = await ben.post('/publicRooms', {
        limit: 4,
        since: searched.next_batch,
        filter: { generic_search_term: 'hall' },
      })
      expect([searched.chunk.length, rest.chunk.length, rest.next_batch]).toEqual([4, 3, undefined])

      expect((await ben.get('/publicRooms?server=test.example&limit=1')).chunk).toHaveLength(1)
      expect(await ben.refused('GET', '/publicRooms?server=elsewhere.invalid')).toBe('502 M_UNKNOWN')
      expect(await ben.refused('GET', '/publicRooms?since=x')).toBe('400 M_INVALID_PARAM')
      expect((await ben.post('/publicRooms', { third_party_instance_id: 'irc' })).chunk).toEqual([])
      await ada.put(`/directory/list/room/${encodeURIComponent(crowd)}`, { visibility: 'private' })
      expect((await ben.get('/publicRooms?limit=1')).chunk[0].room_id).not.toBe(crowd)
    })
  })

  describe('a space', () => {
    test('is walked depth first, in order, to what the user may know of', async () => {
      const [cleo, dan] = [await enter(server, 'cleo'), await enter(server, 'dan')]
      const room = (name: string, more: object = {}) => cleo.createRoom({ name, preset: 'public_chat', ...more })
      const space = (name: string, more: object = {}) => room(name, { creation_content: { type: 'm.space' }, ...more })
      const hidden = await cleo.createRoom({ name: 'hidden' })
      const invited = await cleo.createRoom({ name: 'invited', invite: [dan.userId] })
      const knock = await cleo.createRoom({ name: 'knock', initial_state: [joinRule('knock')] })
      const readable = await cleo.createRoom({
        name: 'readable',
        initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }],
      })
      const inner = await space('inner')
      const leaf = await room('leaf')
      const top = await space('top')
      const members = await room('members', { initial_state: [joinRule('restricted', top)] })
      await dan.join(top)
      const child = (parent: string, roomId: string, content: object = {}) =>
        cleo.setState(parent, 'm.space.child', { via: ['test.example'], ...content }, roomId)
      await child(top, knock)
      await child(top, members, { order: 'b', suggested: true })
      await child(top, inner, { order: 'a', suggested: true })
      await child(top, hidden, { order: ' ' })
      await child(top, invited)
      await child(top, readable, { order: 'too long'.repeat(10) })
      await child(top, '!unknown:test.example')
      await child(top, leaf, { via: undefined })
      await child(inner, leaf)
      await child(inner, top)

      const ask = (more = '') => dan.get(`${V1}${inRoom(top)}/hierarchy?${more}`)
      const names = (reply: Json) => reply.rooms.map((found: Json) => found.name)
      const whole = await ask()
      expect(names(whole)).toEqual(['top', 'inner', 'leaf', 'members', 'knock', 'invited', 'readable'])
      expect(whole.next_batch).toBeUndefined()
      expect(whole.rooms[0].children_state[0]).toEqual({
        type: 'm.space.child',
        state_key: hidden,
        sender: cleo.userId,
        origin_server_ts: expect.any(Number),
        content: { via: ['test.example'], order: ' ' },
      })
      expect(whole.rooms[0].children_state).toHaveLength(7)
      expect(whole.rooms[3]).toMatchObject({
        join_rule: 'restricted',
        allowed_room_ids: [top],
        room_version: '12',
        children_state: [],
      })
      expect(names(await ask('max_depth=0'))).toEqual(['top'])
      expect(names(await ask('max_depth=1'))).toEqual(['top', 'inner', 'members', 'knock', 'invited', 'readable'])
      expect(names(await ask('suggested_only=true'))).toEqual(['top', 'inner', 'members'])

      const paged: string[] = []
      for (let from = ''; ; ) {
        const page = await ask(`limit=2&max_depth=9${from}`)
        paged.push(...names(page))
        if (page.next_batch === undefined) break
        expect(page.rooms).toHaveLength(2)
        from = `&from=${page.next_batch}`
      }
      expect(paged).toEqual(names(whole))
      const token = (await ask('limit=2')).next_batch
      const refused = (more: string) => dan.refused('GET', `${V1}${inRoom(top)}/hierarchy?${more}`)
      expect(await refused(`limit=2&from=${token}&suggested_only=true`)).toBe('400 M_INVALID_PARAM')
      expect(await refused(`limit=2&from=${token}&max_depth=3`)).toBe('400 M_INVALID_PARAM')
      expect(await refused('from=x')).toBe('400 M_INVALID_PARAM')
      expect(await refused('limit=0')).toBe('400 M_INVALID_PARAM')
      expect(await dan.refused('GET', `${V1}${inRoom(hidden)}/hierarchy`)).toBe('403 M_FORBIDDEN')
      expect(await dan.refused('GET', `${V1}/rooms/!none:x/hierarchy`)).toBe('403 M_FORBIDDEN')
      await cleo.post(`${inRoom(top)}/ban`, { user_id: dan.userId })
      expect(await refused('')).toBe('403 M_FORBIDDEN')
    })
  })

  test('a large space takes few queries', async () => {
    const gus = await enter(server, 'gus')
    const rooms = await Promise.all(Array.from({ length: 40 }, (_, n) => gus.createRoom({ name: `${n}` })))
    const children = rooms.map((state_key) => ({ type: 'm.space.child', state_key, content: { via: ['x'] } }))
    const space = await gus.createRoom({ creation_content: { type: 'm.space' }, initial_state: children })
    // What carries the log onwards asks too.
    await server.followers.idle()
    const before = server.app.db.queryCount
    expect((await gus.get(`${V1}${inRoom(space)}/hierarchy`)).rooms).toHaveLength(41)
    expect(server.app.db.queryCount - before).toBeLessThanOrEqual(MAX_QUERIES)
  })

  describe('a summary', () => {
    test('is for who may know of the room', async () => {
      const [eva, fay] = [await enter(server, 'eva'), await enter(server, 'fay')]
      const open = await eva.createRoom({
        preset: 'public_chat',
        name: 'Open',
        room_alias_name: 'open',
        initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
      })
      const path = (roomOrAlias: string) => `${V1}/room_summary/${encodeURIComponent(roomOrAlias)}`
      const expected = {
        room_id: open,
        name: 'Open',
        canonical_alias: '#open:test.example',
        encryption: 'm.megolm.v1.aes-sha2',
        room_version: '12',
        join_rule: 'public',
        num_joined_members: 1,
        world_readable: false,
        guest_can_join: false,
      }
      expect((await server.call('GET', path(open))).body).toEqual(expected)
      expect(await fay.get(path('#open:test.example'))).toEqual(expected)
      expect(await eva.get(path(open))).toEqual({ ...expected, membership: 'join' })
      const closed = await eva.createRoom({ name: 'Closed' })
      expect(await fay.refused('GET', path(closed))).toBe('404 M_NOT_FOUND')
      expect((await server.call('GET', path(closed))).status).toBe(404)
      await eva.post(`${inRoom(closed)}/invite`, { user_id: fay.userId })
      expect(await fay.get(path(closed))).toMatchObject({ name: 'Closed', membership: 'invite' })
      const restricted = await eva.createRoom({ name: 'Members', initial_state: [joinRule('restricted', open)] })
      expect(await fay.refused('GET', path(restricted))).toBe('404 M_NOT_FOUND')
      await fay.join(open)
      expect(await fay.get(path(restricted))).toMatchObject({ allowed_room_ids: [open] })
      expect(await fay.refused('GET', path('#none:test.example'))).toBe('404 M_NOT_FOUND')
      expect(await fay.refused('GET', path('none'))).toBe('400 M_INVALID_PARAM')
      const guest = await enterAsGuest(server)
      expect((await guest.call('GET', path(open))).status).toBe(403)
    })
  })
})

function joinRule(rule: string, ...rooms: string[]) {
  const allow = rooms.map((room_id) => ({ type: 'm.room_membership', room_id }))
  return { type: 'm.room.join_rules', content: { join_rule: rule, ...(allow.length === 0 ? {} : { allow }) } }
}

async function pageForwards(session: Session, limit: number): Promise<Json[]> {
  const pages: Json[] = []
  for (let since: string | undefined; ; ) {
    const page = await session.post('/publicRooms', { limit, since })
    pages.push(page)
    if (page.next_batch === undefined) return pages
    since = page.next_batch
  }
}
