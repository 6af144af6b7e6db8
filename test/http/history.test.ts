import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, enterAsGuest, inRoom, type Json, type Session } from '../helpers/session.ts'

eachServer({ guests_disabled: false }, (server) => {
  let people = 0
  const newSession = () => enter(server, `reader${people++}`)
  const bodies = (events: Json[]) => events.map((event) => event.content.body).filter((body) => body !== undefined)
  const query = (filter: object) => encodeURIComponent(JSON.stringify(filter))

  /** A public room of Alice's, with Bob in it, and messages by turns. */
  async function talk(messages: number, wish: object = {}): Promise<[string, Session, Session, string[]]> {
    const [alice, bob] = [await newSession(), await newSession()]
    const roomId = await alice.createRoom({ preset: 'public_chat', ...wish })
    await bob.join(roomId)
    const ids: string[] = []
    for (let n = 0; n < messages; n++) ids.push(await (n % 2 === 0 ? alice : bob).send(roomId, `m${n}`))
    return [roomId, alice, bob, ids]
  }

  test('history has an end where nothing is left to look at, and forwards a page waits for more', async () => {
    const [roomId, alice, , ids] = await talk(3)
    const most = await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=100`)
    expect(most.chunk.at(-1).type).toBe('m.room.create')
    const rest = await alice.get(`${inRoom(roomId)}/messages?dir=b&from=${most.end}`)
    expect([rest.chunk, rest.end]).toEqual([[], undefined])
    // A page without `from` starts at the end of the room as it was: the way back leads to what came later.
    const later = await alice.send(roomId, 'later')
    const forwards = await alice.get(`${inRoom(roomId)}/messages?dir=f&from=${most.start}`)
    expect(forwards.chunk.map((event: Json) => event.event_id)).toEqual([later])
    const waiting = await alice.get(`${inRoom(roomId)}/messages?dir=f&from=${forwards.end}`)
    expect([waiting.chunk, waiting.end]).toEqual([[], undefined])
    const latest = await alice.send(roomId, 'latest')
    const woken = await alice.get(`${inRoom(roomId)}/messages?dir=f&from=${forwards.end}`)
    expect(woken.chunk.map((event: Json) => event.event_id)).toEqual([latest])
    const range = `&from=${forwards.end}&to=${most.start}`
    expect(bodies((await alice.get(`${inRoom(roomId)}/messages?dir=b${range}`)).chunk)).toEqual(['later'])
    expect(ids.length).toBe(3)
  })

  test('filters choose among the events of a page, also by what relates to them', async () => {
    const [roomId, alice, bob, ids] = await talk(4)
    const page = async (filter: object) =>
      (await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=50&filter=${query(filter)}`)).chunk
    expect(bodies(await page({ senders: [bob.userId], types: ['m.room.message'] }))).toEqual(['m3', 'm1'])
    const relation = { rel_type: 'm.annotation', event_id: ids[1], key: 'x' }
    await bob.send(roomId, { 'm.relates_to': relation }, 'm.reaction')
    expect(bodies(await page({ related_by_rel_types: ['m.annotation'] }))).toEqual(['m1'])
    expect(bodies(await page({ related_by_senders: [alice.userId] }))).toEqual([])
    expect(await page({ types: [] })).toEqual([])
  })

  test('lazily loaded members are those who sent what is shown', async () => {
    const [roomId, alice, bob] = await talk(2)
    const lazy = query({ lazy_load_members: true, types: ['m.room.message'] })
    const page = await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=1&filter=${lazy}`)
    expect(page.state.map((event: Json) => event.state_key)).toEqual([bob.userId])
    const both = await alice.get(`${inRoom(roomId)}/messages?dir=f&limit=2&filter=${lazy}`)
    expect(both.state.map((event: Json) => event.state_key).sort()).toEqual([alice.userId, bob.userId].sort())
    expect((await alice.get(`${inRoom(roomId)}/messages?dir=b`)).state).toBeUndefined()
  })

  test('who pages back from the beginning of a room finds its creation, and nothing before', async () => {
    const [roomId, , bob] = await talk(1)
    const { timeline } = (await bob.sync(undefined, { filter: { room: { timeline: { limit: 50 } } } })).rooms.join[
      roomId
    ]
    expect(timeline.limited).toBe(false)
    const back = (from: string) =>
      bob.get(`${inRoom(roomId)}/messages?dir=b&from=${from}&filter=${query({ lazy_load_members: true })}`)
    const page = await back(timeline.prev_batch)
    expect(page.chunk).toMatchObject([{ type: 'm.room.create', event_id: timeline.events[0].event_id }])
    expect(page.state).toMatchObject([{ type: 'm.room.member', state_key: timeline.events[0].sender }])
    expect(await back(page.end)).toEqual({ start: page.end, chunk: [], state: [] })
  })

  test('context has what was before, what came after, and the state there', async () => {
    const [roomId, alice, bob, ids] = await talk(6)
    await alice.setState(roomId, 'm.room.topic', { topic: 'later' })
    const around = await alice.get(`${inRoom(roomId)}/context/${ids[2]}?limit=3`)
    expect([bodies(around.events_before), around.event.content.body, bodies(around.events_after)]).toEqual([
      ['m1', 'm0'],
      'm2',
      ['m3'],
    ])
    expect(around.state.some((event: Json) => event.type === 'm.room.topic')).toBe(false)
    const older = await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=1&from=${around.start}`)
    expect(older.chunk[0].type).toBe('m.room.member')
    const newer = await alice.get(`${inRoom(roomId)}/messages?dir=f&limit=1&from=${around.end}`)
    expect(bodies(newer.chunk)).toEqual(['m4'])
    const alone = await alice.get(`${inRoom(roomId)}/context/${ids[2]}?limit=0`)
    expect([alone.events_before, alone.events_after, alone.event.event_id]).toEqual([[], [], ids[2]])
    const first = await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=1&from=${alone.start}`)
    expect(bodies(first.chunk)).toEqual(['m1'])
    const lazy = query({ lazy_load_members: true, senders: [bob.userId] })
    const filtered = await alice.get(`${inRoom(roomId)}/context/${ids[2]}?limit=2&filter=${lazy}`)
    expect([bodies(filtered.events_before), bodies(filtered.events_after)]).toEqual([['m1'], ['m3']])
    expect(await alice.refusal('GET', `${inRoom(roomId)}/context/$unknown`)).toBe('404 M_NOT_FOUND')
    expect(await (await newSession()).refusal('GET', `${inRoom(roomId)}/context/${ids[2]}`)).toBe('403 M_FORBIDDEN')
  })

  test('the event nearest to a time is found in both directions', async () => {
    const [roomId, alice, , ids] = await talk(1)
    const { origin_server_ts: ts } = await alice.get(`${inRoom(roomId)}/event/${ids[0]}`)
    const nearest = (at: number, dir: string) =>
      `/_matrix/client/v1${inRoom(roomId)}/timestamp_to_event?ts=${at}&dir=${dir}`
    expect((await alice.get(nearest(ts + 100_000, 'b'))).event_id).toBe(ids[0])
    expect((await alice.get(nearest(0, 'f'))).origin_server_ts).toBeLessThanOrEqual(ts)
    expect(await alice.refusal('GET', nearest(ts + 100_000, 'f'))).toBe('404 M_NOT_FOUND')
    expect(await alice.refusal('GET', nearest(0, 'b'))).toBe('404 M_NOT_FOUND')
    expect(await (await newSession()).refusal('GET', nearest(0, 'f'))).toBe('403 M_FORBIDDEN')
  })

  test('members are listed by membership, and as of a place in history', async () => {
    const [roomId, alice, bob] = await talk(0)
    const carol = await newSession()
    const since = (await alice.sync()).next_batch
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: carol.userId })
    await bob.post(`${inRoom(roomId)}/leave`)
    const list = async (query: string) =>
      (await alice.get(`${inRoom(roomId)}/members${query}`)).chunk.map((event: Json) => event.state_key).sort()
    expect(await list('')).toEqual([alice.userId, bob.userId, carol.userId].sort())
    expect(await list('?membership=join')).toEqual([alice.userId])
    expect(await list('?not_membership=leave')).toEqual([alice.userId, carol.userId].sort())
    expect(await list('?membership=leave&not_membership=join')).toEqual([bob.userId, carol.userId].sort())
    expect(await list(`?at=${since}`)).toEqual([alice.userId, bob.userId].sort())
    expect(await alice.refusal('GET', `${inRoom(roomId)}/members?at=nonsense`)).toBe('400 M_INVALID_PARAM')
    const left = (await bob.get(`${inRoom(roomId)}/members?at=${(await alice.sync()).next_batch}`)).chunk
    expect(left.find((event: Json) => event.state_key === bob.userId).content.membership).toBe('leave')
  })

  test('state is that of the leave for who left, and nothing for who was only invited', async () => {
    const [roomId, alice, bob] = await talk(0, { name: 'before' })
    await bob.post(`${inRoom(roomId)}/leave`)
    await alice.setState(roomId, 'm.room.name', { name: 'after' })
    expect(await bob.get(`${inRoom(roomId)}/state/m.room.name`)).toEqual({ name: 'before' })
    const own = await bob.get(`${inRoom(roomId)}/state/m.room.member/${bob.userId}?format=event`)
    expect(own).toMatchObject({ content: { membership: 'leave' }, state_key: bob.userId, room_id: roomId })
    expect(await alice.get(`${inRoom(roomId)}/state/m.room.name`)).toEqual({ name: 'after' })
    expect(await alice.refusal('GET', `${inRoom(roomId)}/state/m.room.none`)).toBe('404 M_NOT_FOUND')
    const carol = await newSession()
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: carol.userId })
    for (const path of ['state', 'state/m.room.name', 'members', 'messages?dir=b'])
      expect([path, await carol.refusal('GET', `${inRoom(roomId)}/${path}`)]).toEqual([path, '403 M_FORBIDDEN'])
    await carol.post(`${inRoom(roomId)}/leave`)
    expect(await carol.refusal('GET', `${inRoom(roomId)}/state`)).toBe('403 M_FORBIDDEN')
    await bob.post(`${inRoom(roomId)}/forget`)
    expect(await bob.refusal('GET', `${inRoom(roomId)}/state`)).toBe('403 M_FORBIDDEN')
    expect(await bob.refusal('GET', `${inRoom(roomId)}/messages?dir=b`)).toBe('403 M_FORBIDDEN')
  })

  test('a world-readable room is read by strangers and guests, from the moment it became so', async () => {
    const [roomId, alice] = await talk(1)
    const guest = await enterAsGuest(server)
    expect(await guest.refusal('GET', `${inRoom(roomId)}/messages?dir=b`)).toBe('403 M_FORBIDDEN')
    await alice.setState(roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    const open = await alice.send(roomId, 'open')
    for (const reader of [guest, await newSession()]) {
      expect(bodies((await reader.get(`${inRoom(roomId)}/messages?dir=b`)).chunk)).toEqual(['open'])
      expect(bodies((await reader.get(`${inRoom(roomId)}/messages?dir=f`)).chunk)).toEqual(['open'])
      expect((await reader.get(`${inRoom(roomId)}/context/${open}`)).event.event_id).toBe(open)
      expect((await reader.get(`${inRoom(roomId)}/event/${open}`)).unsigned.membership).toBe('leave')
      expect((await reader.get(`${inRoom(roomId)}/state`)).length).toBeGreaterThan(5)
      expect((await reader.get(`${inRoom(roomId)}/members`)).chunk.length).toBe(2)
      expect(await reader.refusal('GET', `${inRoom(roomId)}/joined_members`)).toMatch(/^403/)
    }
  })

  test('who left finds by paging back what was open to everybody since, though it is closed again', async () => {
    const [roomId, alice, bob] = await talk(1)
    await bob.post(`${inRoom(roomId)}/leave`)
    await alice.send(roomId, 'closed')
    const open = (value: string) => alice.setState(roomId, 'm.room.history_visibility', { history_visibility: value })
    await open('world_readable')
    await alice.send(roomId, 'open')
    await open('joined')
    await alice.send(roomId, 'closed again')
    expect(bodies((await bob.get(`${inRoom(roomId)}/messages?dir=b&limit=50`)).chunk)).toEqual(['open', 'm0'])
  })

  test('unsigned says who one was at the event, what it replaced, and to its device the transaction', async () => {
    const [roomId, alice, bob] = await talk(0)
    const carol = await newSession()
    await alice.setState(roomId, 'm.room.history_visibility', { history_visibility: 'joined' })
    const secret = await alice.setState(roomId, 'm.room.topic', { topic: 'secret' })
    await carol.join(roomId)
    const known = await alice.setState(roomId, 'm.room.topic', { topic: 'known' })
    const seen = await carol.get(`${inRoom(roomId)}/event/${known}`)
    expect(seen.unsigned).toMatchObject({ membership: 'join', replaces_state: secret })
    expect(seen.unsigned.prev_content).toBeUndefined()
    expect((await bob.get(`${inRoom(roomId)}/event/${known}`)).unsigned.prev_content).toEqual({ topic: 'secret' })
    const page = await carol.get(`${inRoom(roomId)}/messages?dir=b`)
    const memberships = page.chunk.map((event: Json) => event.unsigned.membership)
    expect(memberships.slice(0, 3)).toEqual(['join', 'join', 'leave'])
    expect(page.chunk.map((event: Json) => event.event_id)).not.toContain(secret)
    const eventId = await bob.send(roomId, 'mine')
    expect((await bob.get(`${inRoom(roomId)}/event/${eventId}`)).unsigned.transaction_id).toMatch(/^txn/)
    expect((await alice.get(`${inRoom(roomId)}/event/${eventId}`)).unsigned.transaction_id).toBeUndefined()
  })
})
