import { expect, test } from 'vitest'
import { write } from '../../src/actions/write.ts'
import { startFollowers } from '../../src/followers/start.ts'
import { dropCursor } from '../../src/store/cursors.ts'
import { eventsWithWords, unindexEvents } from '../../src/store/search-index.ts'
import { eachServer } from '../helpers/each-server.ts'
import { startTestServer } from '../helpers/server.ts'
import { enter, inRoom, type Json, type Session } from '../helpers/session.ts'

eachServer({}, (server) => {
  const search = async (user: Session, term: string, wish: object = {}, from?: string): Promise<Json> => {
    const body = { search_categories: { room_events: { search_term: term, ...wish } } }
    const path = from === undefined ? '/search' : `/search?next_batch=${encodeURIComponent(from)}`
    return (await user.post(path, body)).search_categories.room_events
  }
  const found = async (user: Session, term: string, wish: object = {}) =>
    (await search(user, term, wish)).results.map(({ result }: Json) => result.content.body ?? result.content)

  test('words are found, whatever their case and accents, in any language', async () => {
    const alice = await enter(server, 'alice1')
    const roomId = await alice.createRoom({ name: 'Café society', topic: 'Weather in 京都' })
    for (const text of ['Grüße aus Köln', '東京都に行きました', '한국어 수업', 'a hello and a goodbye', 'hello'])
      await alice.send(roomId, text)
    expect(await found(alice, 'koln')).toEqual(['Grüße aus Köln'])
    expect(await found(alice, 'GRÜSSE köl')).toEqual(['Grüße aus Köln'])
    expect(await found(alice, '京都', { keys: ['content.body'] })).toEqual(['東京都に行きました'])
    expect(await found(alice, '京都', { keys: ['content.topic'] })).toEqual([
      expect.objectContaining({ topic: 'Weather in 京都' }),
    ])
    expect(await found(alice, '국어')).toEqual(['한국어 수업'])
    expect(await found(alice, 'cafe')).toEqual([{ name: 'Café society' }])
    // The one that is nothing else fits better; the newest is the last that was said.
    expect(await found(alice, 'hello')).toEqual(['hello', 'a hello and a goodbye'])
    expect(await found(alice, 'hello goodbye')).toEqual(['a hello and a goodbye'])
    for (const term of ['', '!?', 'ello', 'hello nobody', '"hello" OR koln*', "') --"])
      expect([term, await found(alice, term)]).toEqual([term, []])
  })

  test('what is redacted is gone at once, from the index too', async () => {
    const alice = await enter(server, 'alice2')
    const roomId = await alice.createRoom()
    const eventId = await alice.send(roomId, 'ephemeralsecret')
    expect(await found(alice, 'ephemeralsecret')).toHaveLength(1)
    const sought = [{ word: 'ephemeralsecret', begun: false }]
    const inIndex = () => eventsWithWords(server.app.db, sought, [], Number.MAX_SAFE_INTEGER, 10)
    expect(await inIndex()).toHaveLength(1)
    await alice.put(`${inRoom(roomId)}/redact/${encodeURIComponent(eventId)}/1`)
    expect(await inIndex()).toHaveLength(0)
    expect(await found(alice, 'ephemeralsecret')).toEqual([])
    // Redacted before the index came to it.
    const quick = await alice.send(roomId, 'ephemeralsecret again')
    await alice.put(`${inRoom(roomId)}/redact/${encodeURIComponent(quick)}/2`)
    await server.followers.idle()
    expect(await inIndex()).toHaveLength(0)
  })

  test('encrypted rooms, the rooms of others, and whom one ignores are left out', async () => {
    const [alice, bob] = [await enter(server, 'alice3'), await enter(server, 'bob3')]
    const open = await alice.createRoom({ preset: 'public_chat' })
    await alice.createRoom({ name: 'zebra of alice alone' })
    const closed = await alice.createRoom({ preset: 'public_chat' })
    await alice.send(closed, 'zebra before encryption')
    await alice.setState(closed, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' })
    await alice.send(closed, 'zebra in the clear all the same')
    for (const roomId of [open, closed]) await bob.join(roomId)
    await alice.send(open, 'zebra crossing')
    expect(await found(bob, 'zebra')).toEqual(['zebra crossing'])
    await bob.put(`/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`, {
      ignored_users: { [alice.userId]: {} },
    })
    expect(await found(bob, 'zebra')).toEqual([])
  })

  test('pages go through everything once, newest or best first, of all rooms or of one group', async () => {
    const [alice, bob] = [await enter(server, 'alice4'), await enter(server, 'bob4')]
    const rooms = [await alice.createRoom({ preset: 'public_chat' }), await alice.createRoom({ preset: 'public_chat' })]
    const said: string[] = []
    for (const roomId of rooms) await bob.join(roomId)
    for (let n = 0; n < 12; n++) {
      said.push(`walrus ${n}`)
      await (n % 3 === 0 ? bob : alice).send(rooms[n % 2]!, `walrus ${n}`)
    }
    const bodies = (page: Json) => page.results.map(({ result }: Json) => result.content.body)
    for (const order_by of ['recent', 'rank']) {
      const wish = { order_by, filter: { limit: 5 }, groupings: { group_by: [{ key: 'room_id' }, { key: 'sender' }] } }
      const first = await search(alice, 'walrus', wish)
      expect(first.count).toBe(12)
      const second = await search(alice, 'walrus', wish, first.next_batch)
      const third = await search(alice, 'walrus', wish, second.next_batch)
      expect(third.next_batch).toBeUndefined()
      expect([first, second, third].flatMap(bodies)).toEqual([...said].reverse())
      const group = first.groups.sender[bob.userId]
      expect(group.results).toEqual([first.results[2].result.event_id])
      const more = await search(alice, 'walrus', wish, group.next_batch)
      expect(bodies(more)).toEqual(['walrus 6', 'walrus 3', 'walrus 0'])
      expect(Object.keys(first.groups.room_id).sort()).toEqual([...rooms].sort())
    }
    expect(await found(alice, 'walrus', { filter: { senders: [bob.userId], rooms: [rooms[0]] } })).toEqual([
      'walrus 6',
      'walrus 0',
    ])
    for (const token of [
      '',
      'x',
      Buffer.from('[1,-1]').toString('base64url'),
      Buffer.from('[1,1,"x","y"]').toString('base64url'),
    ])
      expect(
        await alice.refusal('POST', `/search?next_batch=${token}`, {
          search_categories: { room_events: { search_term: 'x' } },
        }),
      ).toBe('400 M_INVALID_PARAM')
  })

  test('the events around, the names of then, and the state are shown when asked for', async () => {
    const alice = await enter(server, 'alice5')
    const roomId = await alice.createRoom({ name: 'Around' })
    for (let n = 0; n < 8; n++) await alice.send(roomId, n === 4 ? 'xylophone' : `note ${n}`)
    const wish = { event_context: { before_limit: 2, after_limit: 1, include_profile: true }, include_state: true }
    const { results, state } = await search(alice, 'xylophone', wish)
    const { context } = results[0]
    const bodies = (events: Json) => events.map((event: Json) => event.content.body)
    expect(bodies(context.events_before)).toEqual(['note 3', 'note 2'])
    expect(bodies(context.events_after)).toEqual(['note 5'])
    expect(context.profile_info).toEqual({ [alice.userId]: { displayname: 'alice5' } })
    const earlier = await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=1&from=${context.start}`)
    expect(bodies(earlier.chunk)).toEqual(['note 1'])
    const later = await alice.get(`${inRoom(roomId)}/messages?dir=f&limit=1&from=${context.end}`)
    expect(bodies(later.chunk)).toEqual(['note 6'])
    expect(state[roomId].map((event: Json) => event.type)).toContain('m.room.name')
  })

  test('wishes that cannot be met are refused', async () => {
    const alice = await enter(server, 'alice6')
    const refusal = (room_events: object) => alice.refusal('POST', '/search', { search_categories: { room_events } })
    expect(await refusal({})).toBe('400 M_MISSING_PARAM')
    expect(await refusal({ search_term: 'x'.repeat(1_025) })).toBe('400 M_BAD_JSON')
    expect(await refusal({ search_term: 'x', order_by: 'chance' })).toBe('400 M_BAD_JSON')
    expect(await refusal({ search_term: 'x', filter: { limit: -1 } })).toBe('400 M_INVALID_PARAM')
    expect(await refusal({ search_term: 'x', event_context: { before_limit: -1 } })).toBe('400 M_BAD_JSON')
    expect(await alice.post('/search', { search_categories: {} })).toEqual({ search_categories: {} })
  })

  test('what was said before there was an index is entered in the background', async () => {
    const alice = await enter(server, 'alice7')
    const roomId = await alice.createRoom()
    for (let n = 0; n < 5; n++) await alice.send(roomId, `palaeolithic ${n}`)
    await server.followers.idle()
    const numbers = await eventsWithWords(server.app.db, [{ word: 'palaeolithic', begun: false }], [], 2 ** 50, 10)
    expect(numbers).toHaveLength(5)
    await write(server.app, { guards: [], writes: [unindexEvents(numbers), dropCursor('search')], log: [] })
    expect(await found(alice, 'palaeolithic')).toEqual([])
    if (server.app.db.dialect === 'sqlite') {
      const again = await startFollowers(server.app)
      await again.idle()
      expect(await found(alice, 'palaeolithic')).toHaveLength(5)
      await again.stop()
    }
  })
})

test('where searching is switched off nothing is indexed', async () => {
  const server = await startTestServer({}, undefined, { syncApi: { search: { enabled: false } } })
  const alice = await enter(server, 'alice')
  await alice.send(await alice.createRoom(), 'wombat')
  await server.followers.idle()
  expect(await eventsWithWords(server.app.db, [{ word: 'wombat', begun: false }], [], 2 ** 50, 10)).toEqual([])
  const body = { search_categories: { room_events: { search_term: 'wombat' } } }
  expect(await alice.refusal('POST', '/search', body)).toBe('400 M_UNKNOWN')
  await server.stop()
})
