import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, inRoom, type Json, type Session } from '../helpers/session.ts'

const PATH = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'

/** As Element X asks for its list of rooms. */
const STATE = [
  ['m.room.name', ''],
  ['m.room.encryption', ''],
  ['m.room.member', '$LAZY'],
  ['m.room.member', '$ME'],
]

function wish(range: [number, number] | undefined, limit = 1, more: object = {}) {
  return { timeline_limit: limit, required_state: STATE, ...(range && { ranges: [range] }), ...more }
}

function slide(user: Session, body: object, pos?: string, timeout = 0): Promise<Json> {
  const query = pos === undefined ? '' : `?pos=${encodeURIComponent(pos)}&timeout=${timeout}`
  return user.post(`${PATH}${query}`, body)
}

const bodies = (room: Json) => room.timeline.map((event: Json) => event.content.body)
const kinds = (room: Json) => room.required_state.map((event: Json) => [event.type, event.state_key])

eachServer({}, (server) => {
  test('the newest rooms come first, then the others, and of each only what is new', async () => {
    const ann = await enter(server, 'ann')
    const rooms: string[] = []
    for (const name of ['old', 'middle', 'new']) rooms.push(await ann.createRoom({ name }))
    const [old, middle, fresh] = rooms as [string, string, string]
    await ann.send(middle, 'hello')
    const lists = (last: number) => ({ conn_id: 'list', lists: { all: wish([0, last]) } })
    const first = await slide(ann, lists(0))
    expect(first.lists).toEqual({ all: { count: 3 } })
    expect(Object.keys(first.rooms)).toEqual([middle])
    expect(first.rooms[middle]).toMatchObject({
      initial: true,
      name: 'middle',
      joined_count: 1,
      invited_count: 0,
      notification_count: 0,
      highlight_count: 0,
      limited: true,
      num_live: 0,
    })
    expect(bodies(first.rooms[middle])).toEqual(['hello'])
    expect(kinds(first.rooms[middle])).toEqual([
      ['m.room.member', ann.userId],
      ['m.room.name', ''],
    ])
    const grown = await slide(ann, lists(2), first.pos)
    expect(Object.keys(grown.rooms).sort()).toEqual([old, fresh].sort())
    expect(grown.rooms[fresh].bump_stamp).toBeGreaterThan(grown.rooms[old].bump_stamp)
    expect(grown.rooms[fresh].bump_stamp).toBeLessThan(first.rooms[middle].bump_stamp)

    expect((await slide(ann, lists(2), grown.pos)).rooms).toEqual({})
    await ann.send(old, 'again')
    await ann.setState(old, 'm.room.name', { name: 'older' })
    const news = await slide(ann, lists(2), grown.pos)
    expect(Object.keys(news.rooms)).toEqual([old])
    expect(news.rooms[old]).toMatchObject({ name: 'older', num_live: 1, limited: true })
    expect(news.rooms[old].initial).toBeUndefined()
    expect(kinds(news.rooms[old])).toEqual([['m.room.name', '']])
    const earlier = await ann.get(`${inRoom(old)}/messages?dir=b&limit=1&from=${news.rooms[old].prev_batch}`)
    expect(earlier.chunk[0].content.body).toBe('again')
    // The same question gets the same answer: the first one may have been lost.
    const again = await slide(ann, lists(2), grown.pos)
    expect(again.rooms[old].timeline[0].event_id).toBe(news.rooms[old].timeline[0].event_id)
    expect(again.rooms[old]).toMatchObject({ name: 'older', num_live: 1 })
  })

  test('what happens in a room outside of the window is told once it is inside', async () => {
    const bob = await enter(server, 'bob')
    const [far, near] = [await bob.createRoom({}), await bob.createRoom({})]
    const all = await slide(bob, { lists: { all: wish([0, 1], 5) } })
    await bob.send(far, 'one')
    await bob.send(near, 'two')
    await bob.send(near, 'three')
    const top = await slide(bob, { lists: { all: wish([0, 0], 5) } }, all.pos)
    expect(Object.entries(top.rooms).map(([id, room]) => [id, bodies(room)])).toEqual([[near, ['two', 'three']]])
    const both = await slide(bob, { lists: { all: wish([0, 1], 5) } }, top.pos)
    expect(Object.entries(both.rooms).map(([id, room]) => [id, bodies(room)])).toEqual([[far, ['one']]])
    expect(both.rooms[far].limited).toBe(false)
  })

  test('a subscription gets a longer timeline at once, and each member once', async () => {
    const [ann, ben] = [await enter(server, 'ann2'), await enter(server, 'ben2')]
    const room = await ann.createRoom({ preset: 'public_chat' })
    await ben.join(room)
    for (const body of ['1', '2', '3']) await ben.send(room, body)
    const first = await slide(ann, { lists: { all: wish([0, 9]) } })
    expect(bodies(first.rooms[room])).toEqual(['3'])
    expect(kinds(first.rooms[room])).toEqual([
      ['m.room.member', ann.userId],
      ['m.room.member', ben.userId],
    ])
    const heroes = [{ user_id: ben.userId, displayname: 'ben2' }]
    expect(first.rooms[room]).toMatchObject({ heroes, joined_count: 2 })
    const body = { lists: { all: wish([0, 9]) }, room_subscriptions: { [room]: wish(undefined, 3) } }
    const longer = await slide(ann, body, first.pos)
    expect(longer.rooms[room]).toMatchObject({ unstable_expanded_timeline: true, num_live: 0, required_state: [] })
    expect(bodies(longer.rooms[room])).toEqual(['1', '2', '3'])
    await ben.send(room, '4')
    const next = await slide(ann, body, longer.pos)
    expect([bodies(next.rooms[room]), next.rooms[room].required_state]).toEqual([['4'], []])
    const more = wish(undefined, 3, { required_state: [['m.room.create', '']] })
    const state = await slide(ann, { ...body, room_subscriptions: { [room]: more } }, next.pos)
    expect(kinds(state.rooms[room])).toContainEqual(['m.room.create', ''])
  })

  test('invites, joins, and being put out', async () => {
    const [ann, ben] = [await enter(server, 'ann3'), await enter(server, 'ben3')]
    const room = await ann.createRoom({ name: 'Club', preset: 'private_chat' })
    const lists = { lists: { all: wish([0, 9], 10), invites: wish([0, 9], 0, { filters: { is_invite: true } }) } }
    const start = await slide(ben, lists)
    expect(start.rooms).toEqual({})
    await ann.post(`${inRoom(room)}/invite`, { user_id: ben.userId })
    const invited = await slide(ben, lists, start.pos)
    expect(invited.lists).toEqual({ all: { count: 1 }, invites: { count: 1 } })
    const types = invited.rooms[room].invite_state.map((event: Json) => event.type)
    expect(types).toEqual(expect.arrayContaining(['m.room.create', 'm.room.name', 'm.room.member']))
    expect(invited.rooms[room].timeline).toBeUndefined()
    await ben.join(room)
    const joined = await slide(ben, lists, invited.pos)
    expect(joined.rooms[room]).toMatchObject({ initial: true, name: 'Club', joined_count: 2 })
    expect(joined.lists.invites.count).toBe(0)
    await ann.send(room, 'before')
    await ann.post(`${inRoom(room)}/kick`, { user_id: ben.userId })
    await ann.send(room, 'after')
    await ann.setState(room, 'm.room.name', { name: 'Secret' })
    const out = await slide(ben, lists, joined.pos)
    expect(out.rooms[room].timeline.map((event: Json) => event.content.body ?? event.content.membership)).toEqual([
      'before',
      'leave',
    ])
    expect(kinds(out.rooms[room])).toEqual([['m.room.member', ben.userId]])
    expect(JSON.stringify(out)).not.toContain('Secret')
    await ann.send(room, 'more')
    expect((await slide(ben, lists, out.pos)).rooms).toEqual({})
    // A new connection hears that they were put out, and nothing from afterwards.
    const anew = await slide(ben, { ...lists, conn_id: 'other' })
    expect(Object.keys(anew.rooms)).toEqual([room])
    expect(JSON.stringify(anew)).not.toMatch(/Secret|after/)
  })

  test('extensions: messages to the device, keys, account data, receipts, typing', async () => {
    const [ann, ben] = [await enter(server, 'ann4'), await enter(server, 'ben4')]
    const room = await ann.createRoom({ preset: 'public_chat' })
    await ben.join(room)
    const sent = await ben.send(room, 'hi')
    const on = { enabled: true }
    const body = (since?: string) => ({
      lists: { all: wish([0, 9]) },
      extensions: {
        to_device: { ...on, ...(since !== undefined && { since }) },
        e2ee: on,
        account_data: on,
        receipts: on,
        typing: on,
      },
    })
    await ben.put(`/sendToDevice/org.example.x/1`, { messages: { [ann.userId]: { '*': { n: 1 } } } })
    await ann.put(`/user/${ann.userId}${inRoom(room)}/account_data/org.example.room`, { r: 1 })
    await ben.post(`${inRoom(room)}/receipt/m.read/${encodeURIComponent(sent)}`)
    const first = await slide(ann, body())
    const { extensions } = first
    expect(extensions.to_device.events).toEqual([{ sender: ben.userId, type: 'org.example.x', content: { n: 1 } }])
    expect(extensions.e2ee).toMatchObject({ device_one_time_keys_count: {}, device_unused_fallback_key_types: [] })
    expect(extensions.account_data.global.map((one: Json) => one.type)).toEqual(['m.push_rules'])
    expect(extensions.account_data.rooms).toEqual({ [room]: [{ type: 'org.example.room', content: { r: 1 } }] })
    expect(extensions.receipts.rooms[room].content[sent]['m.read']).toHaveProperty([ben.userId])
    expect(extensions.typing.rooms).toEqual({})

    await ben.put(`${inRoom(room)}/typing/${ben.userId}`, { typing: true, timeout: 30_000 })
    await ann.put(`/user/${ann.userId}/account_data/org.example.mine`, { m: 1 })
    await ann.post('/keys/upload', { one_time_keys: {} })
    const second = await slide(ann, body(extensions.to_device.next_batch), first.pos)
    expect(second.extensions.to_device.events).toEqual([])
    expect(second.extensions.account_data).toEqual({
      global: [{ type: 'org.example.mine', content: { m: 1 } }],
      rooms: {},
    })
    expect(second.extensions.typing.rooms[room]).toEqual({ type: 'm.typing', content: { user_ids: [ben.userId] } })
    expect(second.extensions.receipts.rooms).toEqual({})
    // What was shown with its place is gone from the server.
    expect((await slide(ann, { ...body(), conn_id: 'new' })).extensions.to_device.events).toEqual([])
  })

  test('it waits for news, and for nothing else', async () => {
    const [ann, ben] = [await enter(server, 'ann5'), await enter(server, 'ben5')]
    const room = await ann.createRoom({ preset: 'public_chat' })
    await ben.join(room)
    const first = await slide(ann, { lists: { all: wish([0, 9]) } })
    const waiting = slide(ann, { lists: { all: wish([0, 9]) } }, first.pos, 30_000)
    await ben.send(room, 'wake up')
    expect(bodies((await waiting).rooms[room])).toEqual(['wake up'])
    const extensions = { to_device: { enabled: true, since: '0' } }
    const encryption = await slide(ann, { conn_id: 'encryption', extensions })
    const toDevice = slide(ann, { conn_id: 'encryption', extensions }, encryption.pos, 30_000)
    await ben.send(room, 'not for this connection')
    await ben.put(`/sendToDevice/org.example.y/2`, { messages: { [ann.userId]: { '*': {} } } })
    expect((await toDevice).extensions.to_device.events).toHaveLength(1)
    expect((await toDevice).rooms).toEqual({})
  })

  test('lists are filtered', async () => {
    const [ann, ben] = [await enter(server, 'ann6'), await enter(server, 'ben6')]
    const direct = await ann.createRoom({ is_direct: true, invite: [ben.userId] })
    const space = await ann.createRoom({ creation_content: { type: 'm.space' } })
    const secret = await ann.createRoom({
      initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
    })
    await ann.setState(space, 'm.space.child', { via: ['test.example'] }, secret)
    await ann.put(`/user/${ann.userId}/account_data/m.direct`, { [ben.userId]: [direct] })
    await ann.put(`/user/${ann.userId}${inRoom(secret)}/tags/m.favourite`, {})
    const found = async (filters: object) => {
      const { rooms, lists } = await slide(ann, { lists: { some: wish([0, 9], 1, { filters }) } })
      expect(Object.keys(rooms)).toHaveLength(lists.some.count)
      return Object.keys(rooms)
    }
    expect(await found({})).toHaveLength(3)
    expect(await found({ is_dm: true })).toEqual([direct])
    expect(await found({ is_dm: false })).not.toContain(direct)
    expect(await found({ is_encrypted: true })).toEqual([secret])
    expect(await found({ room_types: ['m.space'] })).toEqual([space])
    expect((await found({ not_room_types: ['m.space'] })).sort()).toEqual([direct, secret].sort())
    expect((await found({ room_types: [null] })).sort()).toEqual([direct, secret].sort())
    expect(await found({ tags: ['m.favourite'] })).toEqual([secret])
    expect(await found({ not_tags: ['m.favourite'] })).not.toContain(secret)
    expect(await found({ spaces: [space] })).toEqual([secret])
    expect(await found({ is_invite: true })).toEqual([])
    const all = await slide(ann, { lists: { all: wish([0, 9]) } })
    expect([all.rooms[direct].is_dm, all.rooms[secret].is_dm]).toEqual([true, undefined])
    await ann.put(`/user/${ann.userId}/account_data/m.direct`, {})
    const changed = await slide(ann, { lists: { all: wish([0, 9]) } }, all.pos)
    expect(Object.entries<Json>(changed.rooms).map(([id, room]) => [id, room.is_dm])).toEqual([[direct, false]])
  })

  test('a connection that is not known begins anew', async () => {
    const ann = await enter(server, 'ann7')
    const { pos } = await slide(ann, { lists: {} })
    const refused = (at: string, body: object = {}) => ann.refusal('POST', `${PATH}?pos=${at}`, body)
    expect(await refused('nonsense')).toBe('400 M_UNKNOWN_POS')
    expect(await refused(pos.replace(/_.*\./, '_000000000000.'))).toBe('400 M_UNKNOWN_POS')
    expect(await refused(pos, { conn_id: 'another' })).toBe('400 M_UNKNOWN_POS')
    const second = await slide(ann, { lists: {} }, pos)
    await slide(ann, { lists: {} }, second.pos)
    expect(await refused(pos)).toBe('400 M_UNKNOWN_POS')
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`l${index}`, wish([0, 1])]))
    expect(await ann.refusal('POST', PATH, { lists: many })).toBe('400 M_INVALID_PARAM')
    expect((await ann.get('/_matrix/client/versions')).unstable_features['org.matrix.simplified_msc3575']).toBe(true)
  })
})
