import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, inRoom, type Json, logIn, type Session } from '../helpers/session.ts'

const VISIBILITY = { type: 'm.room.history_visibility', state_key: '' }

eachServer({}, (server) => {
  let names = 0

  async function person(): Promise<Session> {
    names += 1
    return enter(server, `person${names}`)
  }

  async function stage(host: Session, options: object = {}): Promise<string> {
    const open = { ...VISIBILITY, content: { history_visibility: 'world_readable' } }
    return host.createRoom({ preset: 'public_chat', initial_state: [open], ...options })
  }

  function setVisibility(host: Session, roomId: string, history_visibility: string): Promise<string> {
    return host.setState(roomId, 'm.room.history_visibility', { history_visibility })
  }

  const peek = (session: Session, roomId: string) => session.post(`/peek/${encodeURIComponent(roomId)}`)

  function texts(answer: Json, roomId: string): string[] {
    const events: Json[] = answer.rooms?.peek?.[roomId]?.timeline.events ?? []
    return events.flatMap((event) => event.content.body ?? [])
  }

  test('a device hears of a room that it looks into, and only that device', async () => {
    const [alice, bob] = [await person(), await person()]
    const other = await logIn(server, bob.userId)
    const roomId = await stage(alice)
    await alice.send(roomId, 'before')
    const poll = bob.sync(await bob.sync(), { timeout: 30_000 })
    expect(await peek(bob, roomId)).toEqual({ room_id: roomId })
    const first = await poll
    expect(texts(first, roomId)).toEqual(['before'])
    expect(first.rooms.join).toBeUndefined()
    const next = bob.sync(first, { timeout: 30_000 })
    await alice.send(roomId, 'after')
    const heard = await next
    expect(texts(heard, roomId)).toEqual(['after'])
    expect(heard.rooms.peek[roomId].state.events).toEqual([])
    expect((await bob.sync(heard)).rooms).toBeUndefined()
    expect((await bob.sync(heard, { full_state: true })).rooms.peek[roomId].state.events).not.toEqual([])
    expect((await other.sync()).rooms).toBeUndefined()
    expect((await alice.get(`${inRoom(roomId)}/joined_members`)).joined).not.toHaveProperty(bob.userId)
  })

  test('who looks into a room that was closed before sees its state of today and no old message', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await alice.send(roomId, 'among us')
    await setVisibility(alice, roomId, 'world_readable')
    await alice.send(roomId, 'to all')
    await peek(bob, roomId)
    const answer = await bob.sync()
    expect(texts(answer, roomId)).toEqual(['to all'])
    const { timeline, state } = answer.rooms.peek[roomId]
    const types = [...state.events, ...timeline.events].map((event: Json) => event.type)
    expect(types).toEqual(expect.arrayContaining(['m.room.create', 'm.room.power_levels', 'm.room.join_rules']))
  })

  test.each(['shared', 'invited', 'joined'])('nobody looks into a room whose history is %s', async (visibility) => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await setVisibility(alice, roomId, visibility)
    expect(await bob.refusal('POST', `/peek/${roomId}`, {})).toBe('403 M_FORBIDDEN')
    expect((await bob.sync()).rooms).toBeUndefined()
  })

  test('an alias names the room as well; a room that nobody here is in is not found', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await stage(alice, { room_alias_name: `stage${names}` })
    expect(await peek(bob, `#stage${names}:${server.app.serverName}`)).toEqual({ room_id: roomId })
    expect(await bob.refusal('POST', '/peek/!nowhere:test.example', {})).toBe('404 M_NOT_FOUND')
  })

  test('a peek ends by hand, and may begin again', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await stage(alice)
    await peek(bob, roomId)
    const since = await bob.sync()
    await bob.post(`${inRoom(roomId)}/unpeek`)
    await alice.send(roomId, 'unheard')
    const quiet = await bob.sync(since)
    expect(quiet.rooms).toBeUndefined()
    await peek(bob, roomId)
    expect(texts(await bob.sync(quiet), roomId)).toEqual(['unheard'])
  })

  test('it ends when the user joins, and does not come back when they leave', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await stage(alice)
    await peek(bob, roomId)
    const peeking = await bob.sync()
    await bob.join(roomId)
    const joined = await bob.sync(peeking)
    expect([Object.keys(joined.rooms.join), joined.rooms.peek]).toEqual([[roomId], undefined])
    await bob.post(`${inRoom(roomId)}/leave`)
    const left = await bob.sync(joined)
    expect([Object.keys(left.rooms.leave), left.rooms.peek]).toEqual([[roomId], undefined])
    await alice.send(roomId, 'unheard')
    expect((await bob.sync(left)).rooms).toBeUndefined()
    await peek(bob, roomId)
    expect(texts(await bob.sync(left), roomId)).toEqual(['unheard'])
  })

  test('it ends for ever when the room closes to readers', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await stage(alice)
    await peek(bob, roomId)
    const peeking = await bob.sync()
    await setVisibility(alice, roomId, 'shared')
    await alice.send(roomId, 'among us')
    const closed = await bob.sync(peeking)
    expect(closed.rooms).toBeUndefined()
    await setVisibility(alice, roomId, 'world_readable')
    await alice.send(roomId, 'to all')
    expect((await bob.sync(closed)).rooms).toBeUndefined()
  })

  test('who left a room may look into it again at once', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await stage(alice)
    await bob.join(roomId)
    const since = await bob.sync()
    await bob.post(`${inRoom(roomId)}/leave`)
    await peek(bob, roomId)
    const answer = await bob.sync(since)
    expect([Object.keys(answer.rooms.peek), answer.rooms.leave]).toEqual([[roomId], undefined])
  })
})
