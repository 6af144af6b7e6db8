import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { inRoom, type Json, type Session, sessionOf } from '../helpers/session.ts'

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  async function people<N extends readonly string[]>(...names: N): Promise<{ [K in keyof N]: Session }> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    const server = await startTestServer({}, uri)
    running.push(server)
    const sessions: Session[] = []
    for (const name of names) sessions.push(sessionOf(server, await server.register(name)))
    return sessions as { [K in keyof N]: Session }
  }

  test('a gap: the newest events, the state before them, and a token for the rest', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    const since = await bob.sync()
    await alice.setState(roomId, 'm.room.topic', { topic: 'first' })
    const sent: string[] = []
    for (let n = 0; n < 6; n++) sent.push(await alice.send(roomId, `${n}`))
    await alice.setState(roomId, 'm.room.topic', { topic: 'second' })
    const filter = { room: { timeline: { limit: 3 } } }
    const room = (await bob.sync(since, { filter })).rooms.join[roomId]
    expect(idsOf(room.timeline).slice(0, 2)).toEqual(sent.slice(4))
    expect(room.timeline.limited).toBe(true)
    // The topic of the gap; the second one is in the timeline.
    expect(room.state.events.map((event: Json) => event.content)).toEqual([{ topic: 'first' }])
    const earlier = await bob.get(`${inRoom(roomId)}/messages?dir=b&from=${room.timeline.prev_batch}&limit=4`)
    expect(earlier.chunk.map((event: Json) => event.event_id)).toEqual(sent.slice(0, 4).reverse())

    const all = (await bob.sync(since)).rooms.join[roomId]
    expect([all.timeline.limited, all.state.events, all.timeline.events.length]).toEqual([false, [], 8])
  })

  test('a filter chooses rooms, types and senders, and looks further back for what it wants', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const other = await alice.createRoom({})
    await bob.join(roomId)
    const since = await alice.sync()
    const wanted = await bob.send(roomId, { body: 'with a link', url: 'mxc://test.example/1' })
    for (let n = 0; n < 30; n++) await alice.send(roomId, { n }, 'com.example.noise')
    const timelineOf = async (timeline: object, from?: Json) => {
      const answer = await alice.sync(from, { filter: { room: { timeline, rooms: [roomId] } } })
      expect(Object.keys(answer.rooms?.join ?? {})).not.toContain(other)
      return answer.rooms?.join?.[roomId]?.timeline
    }
    for (const from of [undefined, since]) {
      expect(idsOf(await timelineOf({ types: ['m.room.message'], limit: 1 }, from))).toEqual([wanted])
      expect(idsOf(await timelineOf({ not_senders: [alice.userId], types: ['m.room.m*sage'] }, from))).toEqual([wanted])
      expect(idsOf(await timelineOf({ senders: [bob.userId], contains_url: true }, from))).toEqual([wanted])
      expect(idsOf(await timelineOf({ not_types: ['com.example.*'], senders: [bob.userId] }, from))).toContain(wanted)
      expect((await timelineOf({ types: [] }, from))?.events ?? []).toEqual([])
    }
    const without = { filter: { room: { not_rooms: [roomId] } } }
    expect((await alice.sync(since, without)).rooms).toBeUndefined()
    expect(Object.keys((await alice.sync(undefined, without)).rooms.join)).toEqual([other])
    const silent = { presence: { types: [] }, account_data: { not_types: ['*'] }, room: { rooms: [] } }
    const nothing = await alice.sync(undefined, { filter: silent })
    expect([nothing.rooms, nothing.account_data]).toEqual([undefined, undefined])
  })

  test('who comes back has the room of today, whatever happened unseen', async () => {
    const [alice, bob, carol] = await people('alice', 'bob', 'carol')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    await alice.setState(roomId, 'm.room.history_visibility', { history_visibility: 'joined' })
    const since = await bob.sync()
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: carol.userId })
    await bob.post(`${inRoom(roomId)}/leave`)
    await carol.join(roomId)
    await alice.setState(roomId, 'm.room.topic', { topic: 'past' })
    const unseen = await alice.send(roomId, 'unseen')
    await alice.setState(roomId, 'm.room.topic', { topic: 'now' })
    await bob.join(roomId)
    for (const limit of [20, 5, 4, 3, 2, 1]) {
      const answer = await bob.sync(since, { filter: { room: { timeline: { limit } } } })
      const { state, timeline } = answer.rooms.join[roomId]
      expect(timeline.events.length).toBeLessThanOrEqual(limit)
      expect(idsOf(timeline)).not.toContain(unseen)
      // As a client does it: the state, and then the timeline over it.
      const room = [...state.events, ...timeline.events]
      const last = (type: string, key: string) =>
        room.findLast((event: Json) => event.type === type && event.state_key === key).content
      expect(last('m.room.member', carol.userId)).toMatchObject({ membership: 'join' })
      expect(last('m.room.topic', '')).toEqual({ topic: 'now' })
    }
  })

  test('state that the timeline filter hides comes with the state, in full and in part', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.createRoom({ name: 'Tea' })
    const filter = { room: { timeline: { types: ['m.room.message'] }, state: { types: ['m.room.name'] } } }
    const names = (answer: Json) => answer.rooms.join[roomId].state.events.map((event: Json) => event.content.name)
    const first = await alice.sync(undefined, { filter })
    expect(names(first)).toEqual(['Tea'])
    await alice.setState(roomId, 'm.room.name', { name: 'Coffee' })
    const second = await alice.sync(first, { filter })
    expect(names(second)).toEqual(['Coffee'])
    await alice.setState(roomId, 'm.room.name', { name: 'Cocoa' })
    await alice.send(roomId, 'hello')
    expect(names(await alice.sync(second, { filter }))).toEqual(['Cocoa'])
    expect(names(await alice.sync(second, { filter, full_state: true }))).toEqual(['Cocoa'])
  })

  test('a full state beside a token repeats no event', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.createRoom({ name: 'Tea' })
    const since = await alice.sync()
    const idle = (await alice.sync(since, { full_state: true })).rooms.join[roomId]
    expect(idle.timeline.events).toEqual([])
    expect(typesOf(idle.state)).toEqual(expect.arrayContaining(['m.room.create', 'm.room.member', 'm.room.name']))
    const eventId = await alice.send(roomId, 'hello')
    const busy = (await alice.sync(since, { full_state: true })).rooms.join[roomId]
    expect([idsOf(busy.timeline), busy.timeline.limited]).toEqual([[eventId], false])
    expect(typesOf(busy.state).sort()).toEqual(typesOf(idle.state).sort())
  })

  test.each([
    ['use_state_after', 'state_after'],
    ['org.matrix.msc4222.use_state_after', 'org.matrix.msc4222.state_after'],
  ])('%s: the state at the end of the timeline', async (flag, key) => {
    const [alice] = await people('alice')
    const roomId = await alice.createRoom({ name: 'Tea' })
    const stateOf = (answer: Json) => {
      const room = answer.rooms.join[roomId]
      expect(room.state).toBeUndefined()
      return room[key].events.map((event: Json) => event.content.name).filter((name: unknown) => name !== undefined)
    }
    const first = await alice.sync(undefined, { [flag]: true })
    expect(stateOf(first)).toEqual(['Tea'])
    await alice.setState(roomId, 'm.room.name', { name: 'Coffee' })
    const second = await alice.sync(first, { [flag]: true })
    expect(stateOf(second)).toEqual(['Coffee'])
    expect(second.rooms.join[roomId].timeline.events).toHaveLength(1)
    await alice.send(roomId, 'hello')
    expect(stateOf(await alice.sync(second, { [flag]: true }))).toEqual([])
  })

  test('members come with what they say', async () => {
    const [alice, bob, carol] = await people('alice', 'bob', 'carol')
    const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Tea' })
    await bob.join(roomId)
    await carol.join(roomId)
    for (let n = 0; n < 3; n++) await bob.send(roomId, `${n}`)
    const lazy = { lazy_load_members: true }
    const filter = { room: { timeline: { limit: 2 }, state: lazy } }
    const members = (answer: Json) => {
      const state: Json[] = answer.rooms.join[roomId].state.events
      return state.filter((event) => event.type === 'm.room.member').map((event) => event.state_key)
    }
    const first = await alice.sync(undefined, { filter })
    expect(members(first).sort()).toEqual([alice.userId, bob.userId])
    await carol.send(roomId, 'I am here too')
    const second = await alice.sync(first, { filter })
    expect(members(second)).toEqual([carol.userId])
    await carol.send(roomId, 'still here')
    const third = await alice.sync(second, { filter })
    expect(members(third)).toEqual([])
    // An answer that did not arrive is given again, with everything in it.
    expect(members(await alice.sync(first, { filter }))).toEqual([carol.userId])
    const redundant = { room: { ...filter.room, state: { ...lazy, include_redundant_members: true } } }
    expect(members(await alice.sync(second, { filter: redundant }))).toEqual([carol.userId])
    // Who changed in a gap is told whether they spoke or not.
    await bob.post(`${inRoom(roomId)}/leave`)
    for (let n = 0; n < 3; n++) await carol.send(roomId, `${n}`)
    expect(members(await alice.sync(third, { filter }))).toEqual([bob.userId])
  })

  test('heroes name a room without a name, and come with their member events', async () => {
    const [alice, bob, carol] = await people('alice', 'bob', 'carol')
    const roomId = await alice.createRoom({ preset: 'private_chat', invite: [bob.userId, carol.userId] })
    await bob.join(roomId)
    const filter = { room: { timeline: { limit: 1 }, state: { lazy_load_members: true } } }
    const first = await alice.sync(undefined, { filter })
    const room = first.rooms.join[roomId]
    expect(room.summary).toEqual({
      'm.heroes': [carol.userId, bob.userId],
      'm.joined_member_count': 2,
      'm.invited_member_count': 1,
    })
    expect(room.state.events.map((event: Json) => event.state_key)).toEqual(
      expect.arrayContaining([alice.userId, carol.userId]),
    )
    await bob.send(roomId, 'hello')
    const second = await alice.sync(first, { filter })
    expect(second.rooms.join[roomId].summary).toBeUndefined()
    await carol.post(`${inRoom(roomId)}/leave`)
    await bob.post(`${inRoom(roomId)}/leave`)
    // Alone, alice remembers who was there.
    expect((await alice.sync(second)).rooms.join[roomId].summary).toEqual({
      'm.heroes': [carol.userId, bob.userId],
      'm.joined_member_count': 1,
      'm.invited_member_count': 0,
    })
    await alice.setState(roomId, 'm.room.name', { name: 'Tea' })
    expect((await alice.sync()).rooms.join[roomId].summary['m.heroes']).toBeUndefined()
  })

  test('joining gives the room as a whole, a change of name does not', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.put(`/user/${bob.userId}/rooms/${roomId}/account_data/com.example`, { early: true })
    const since = await bob.sync()
    await bob.join(roomId)
    const joined = await bob.sync(since)
    const room = joined.rooms.join[roomId]
    expect([...typesOf(room.state), ...typesOf(room.timeline)]).toContain('m.room.create')
    expect(room.account_data.events).toEqual([{ type: 'com.example', content: { early: true } }])
    await bob.put(`/profile/${bob.userId}/displayname`, { displayname: 'Robert' })
    const renamed = (await bob.sync(joined)).rooms.join[roomId]
    expect(typesOf(renamed.timeline)).toEqual(['m.room.member'])
    expect(renamed.state.events).toEqual([])
    await bob.put(`/user/${bob.userId}/rooms/${roomId}/account_data/com.example`, { early: false })
    const data = (await bob.sync(joined)).rooms.join[roomId].account_data.events
    expect(data).toEqual([{ type: 'com.example', content: { early: false } }])
    await bob.post(`${inRoom(roomId)}/leave`)
    await alice.setState(roomId, 'm.room.topic', { topic: 'while bob was away' })
    await bob.join(roomId)
    const again = (await bob.sync(joined)).rooms.join[roomId]
    expect([...typesOf(again.state), ...typesOf(again.timeline)]).toContain('m.room.create')
  })

  test('rooms that were left show what happened until then, and nothing after it', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.createRoom({ preset: 'public_chat', name: 'before' })
    await bob.join(roomId)
    const since = await bob.sync()
    const last = await alice.send(roomId, 'last')
    await bob.post(`${inRoom(roomId)}/leave`)
    await alice.setState(roomId, 'm.room.name', { name: 'after' })
    await alice.send(roomId, 'secret')
    const left = await bob.sync(since)
    const room = left.rooms.leave[roomId]
    expect([idsOf(room.timeline)[0], typesOf(room.timeline)]).toEqual([last, ['m.room.message', 'm.room.member']])
    expect(room.state.events).toEqual([])
    expect((await bob.sync(left)).rooms).toBeUndefined()
    expect((await bob.sync()).rooms).toBeUndefined()
    const names = (state: Json) => state.events.flatMap((event: Json) => event.content.name ?? [])
    for (const timeline of [{ limit: 2 }, { types: [] }]) {
      const filter = { room: { include_leave: true, timeline } }
      const archived = (await bob.sync(undefined, { filter })).rooms.leave[roomId]
      expect(names(archived.state)).toEqual(['before'])
      expect(JSON.stringify(archived)).not.toMatch(/after|secret/)
      const repeated = (await bob.sync(left, { filter, full_state: true })).rooms.leave[roomId]
      expect(names(repeated.state)).toEqual(['before'])
      // What happens to them afterwards opens nothing.
      await alice.post(`${inRoom(roomId)}/ban`, { user_id: bob.userId })
      const banned = (await bob.sync(left, { filter: { room: { timeline } } })).rooms.leave[roomId]
      expect(JSON.stringify(banned)).not.toMatch(/after|secret|before/)
    }
    const joinedBetween = await bob.sync()
    await alice.post(`${inRoom(roomId)}/unban`, { user_id: bob.userId })
    await bob.join(roomId)
    await bob.post(`${inRoom(roomId)}/leave`)
    const brief = (await bob.sync(joinedBetween)).rooms.leave[roomId]
    expect([...typesOf(brief.state), ...typesOf(brief.timeline)]).toContain('m.room.create')
    await bob.post(`${inRoom(roomId)}/forget`)
    expect((await bob.sync(undefined, { filter: { room: { include_leave: true } } })).rooms).toBeUndefined()
  })

  test('invites and knocks come with what recognises the room, and go when they are rejected', async () => {
    const [alice, bob, carol] = await people('alice', 'bob', 'carol')
    const roomId = await alice.createRoom({ preset: 'private_chat', name: 'Tea' })
    await alice.setState(roomId, 'm.room.join_rules', { join_rule: 'knock' })
    const [bobSince, carolSince] = [await bob.sync(), await carol.sync()]
    const poll = bob.sync(bobSince, { timeout: 30_000 })
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: bob.userId })
    const invited = await poll
    const stripped: Json[] = invited.rooms.invite[roomId].invite_state.events
    expect(stripped.find((event) => event.type === 'm.room.name')?.content).toEqual({ name: 'Tea' })
    expect(stripped.find((event) => event.state_key === bob.userId)?.content.membership).toBe('invite')
    expect((await bob.sync(invited)).rooms).toBeUndefined()
    expect(Object.keys((await bob.sync()).rooms.invite)).toEqual([roomId])
    await carol.post(`/knock/${encodeURIComponent(roomId)}`)
    const knocked = await carol.sync(carolSince)
    expect(typesOf({ events: knocked.rooms.knock[roomId].knock_state.events })).toContain('m.room.name')

    await bob.post(`${inRoom(roomId)}/leave`)
    const rejected = await bob.sync(invited)
    expect([rejected.rooms.invite, Object.keys(rejected.rooms.leave)]).toEqual([undefined, [roomId]])
    expect(typesOf(rejected.rooms.leave[roomId].state)).toEqual([])
    expect(typesOf(rejected.rooms.leave[roomId].timeline)).toEqual(['m.room.member'])
    expect((await bob.sync()).rooms).toBeUndefined()
    await alice.post(`${inRoom(roomId)}/kick`, { user_id: carol.userId })
    expect(Object.keys((await carol.sync(knocked)).rooms.leave)).toEqual([roomId])
  })

  test('who is ignored is not heard, nor can they invite', async () => {
    const [alice, bob, troll] = await people('alice', 'bob', 'troll')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    await troll.join(roomId)
    await bob.put(`/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: { [troll.userId]: {} } })
    const since = await bob.sync()
    await troll.send(roomId, 'noise')
    await troll.put(`/profile/${troll.userId}/displayname`, { displayname: 'Still a member' })
    await troll.createRoom({ invite: [bob.userId] })
    await troll.put(`${inRoom(roomId)}/typing/${troll.userId}`, { typing: true })
    const news = await bob.sync(since)
    expect(news.rooms.invite).toBeUndefined()
    expect(typesOf(news.rooms.join[roomId].timeline)).toEqual(['m.room.member'])
    expect(news.rooms.join[roomId].unread_notifications.notification_count).toBe(0)
    expect(JSON.stringify(news.rooms.join[roomId].ephemeral)).not.toContain(troll.userId)
    expect((await bob.sync()).rooms.invite).toBeUndefined()
    // Whatever a client has stored there, sync goes on.
    for (const list of [{ ignored_users: [1] }, { ignored_users: true }, {}]) {
      await bob.put(`/user/${bob.userId}/account_data/m.ignored_user_list`, list)
      expect(Object.keys((await bob.sync()).rooms.invite)).toHaveLength(1)
    }
  })

  test('mentions highlight, edits and redacted messages do not count', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    let since = await bob.sync()
    const unread = async () => {
      since = await bob.sync(since)
      const { notification_count: notifications, highlight_count: highlights } =
        since.rooms.join[roomId].unread_notifications
      return [notifications, highlights]
    }
    const eventId = await alice.send(roomId, { msgtype: 'm.text', body: 'a', 'm.mentions': { user_ids: [bob.userId] } })
    expect(await unread()).toEqual([1, 1])
    const relation = { rel_type: 'm.replace', event_id: eventId }
    await alice.send(roomId, {
      msgtype: 'm.text',
      body: '* b',
      'm.new_content': { body: 'b' },
      'm.relates_to': relation,
    })
    expect(await unread()).toEqual([1, 1])
    // alice has the power to speak to the whole room.
    await alice.send(roomId, { msgtype: 'm.text', body: '@room', 'm.mentions': { room: true } })
    expect(await unread()).toEqual([2, 2])
    await bob.put('/pushrules/global/override/quiet', { conditions: [], actions: [] })
    await alice.send(roomId, 'nobody hears')
    expect(await unread()).toEqual([0, 0])
  })

  test('events come as servers have them when the filter says so', async () => {
    const [alice] = await people('alice')
    for (const version of ['1', '12']) {
      const roomId = await alice.createRoom({ room_version: version })
      const eventId = await alice.send(roomId, 'hello')
      const filter = { event_format: 'federation', room: { rooms: [roomId] } }
      const { timeline, state } = (await alice.sync(undefined, { filter })).rooms.join[roomId]
      const keys = { auth_events: expect.any(Array), prev_events: expect.any(Array), hashes: expect.any(Object) }
      const event = { ...keys, event_id: eventId, room_id: roomId, sender: alice.userId, depth: expect.any(Number) }
      expect(timeline.events.at(-1)).toMatchObject({ ...event, content: { body: 'hello' } })
      for (const item of [...timeline.events, ...state.events]) expect(item.event_id).toMatch(/^\$/)
    }
  })

  test('equal syncs of a device at the same time are one', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.createRoom()
    const since = await alice.sync()
    const { db } = running[0]!.app
    const before = db.queryCount
    const polls = Array.from({ length: 5 }, () => alice.sync(since, { timeout: 30_000 }))
    const eventId = await alice.send(roomId, 'hello')
    const answers = await Promise.all(polls)
    for (const answer of answers) expect(idsOf(answer.rooms.join[roomId].timeline)).toEqual([eventId])
    const shared = db.queryCount - before
    const single = db.queryCount
    await alice.sync(since)
    // Five answers of their own would have cost five times as much.
    expect(shared).toBeLessThan(3 * (db.queryCount - single) + 20)
  })

  test('what is no token of ours is refused', async () => {
    const [alice] = await people('alice')
    for (const since of ['s', 's1', '1_2_3', 's99999999999999999999_a.0', 't1_1'])
      expect((await alice.call('GET', `/sync?since=${since}`)).body.errcode).toBe('M_INVALID_PARAM')
    // A position that is not there yet is one of another start of the server: nothing is lost.
    const future = await alice.get('/sync?since=s999999_other.7')
    expect(future.next_batch).toMatch(/^s\d+_/)
  })
})

function idsOf(section: Json): string[] {
  return section.events.map((event: Json) => event.event_id)
}

function typesOf(section: Json): string[] {
  return section.events.map((event: Json) => event.type)
}
