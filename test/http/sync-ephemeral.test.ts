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

  async function people(...names: string[]): Promise<Session[]> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    const server = await startTestServer({}, uri)
    running.push(server)
    return Promise.all(names.map(async (name) => sessionOf(server, await server.register(name))))
  }

  /** A room of all of them. */
  async function roomOf(first: Session, ...others: Session[]): Promise<string> {
    const roomId = await first.createRoom({ preset: 'public_chat' })
    for (const other of others) await other.join(roomId)
    return roomId
  }

  test('a read receipt reaches everybody in the room, once, and resets the unread count', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Session, Session]
    const roomId = await roomOf(alice, bob)
    const first = await bob.sync()
    const eventId = await alice.send(roomId, 'hello')
    const unread = await bob.sync(first)
    expect(unread.rooms.join[roomId].unread_notifications).toEqual({ notification_count: 1, highlight_count: 0 })

    const poll = alice.sync(await alice.sync(), { timeout: 30_000 })
    await bob.post(`${inRoom(roomId)}/receipt/m.read/${eventId}`)
    const heard = await poll
    expect(ephemeral(heard, roomId)).toEqual([
      {
        type: 'm.receipt',
        content: { [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } } },
      },
    ])
    const read = await bob.sync(unread)
    expect(read.rooms.join[roomId].unread_notifications).toEqual({ notification_count: 0, highlight_count: 0 })
    expect((await alice.sync(heard)).rooms).toBeUndefined()
    expect(ephemeral(await alice.sync(), roomId)).toHaveLength(1)
  })

  test('a private receipt is the own affair of who sends it', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Session, Session]
    const roomId = await roomOf(alice, bob)
    const eventId = await alice.send(roomId, 'hello')
    const [aliceSince, bobSince] = [await alice.sync(), await bob.sync()]
    expect(bobSince.rooms.join[roomId].unread_notifications.notification_count).toBe(1)
    const path = `${inRoom(roomId)}/receipt/m.read.private/${eventId}`
    await bob.post(path)
    expect((await alice.sync(aliceSince)).rooms).toBeUndefined()
    expect(ephemeral(await alice.sync(), roomId)).toEqual([])
    const own = await bob.sync(bobSince)
    expect(ephemeral(own, roomId)[0].content[eventId]).toHaveProperty('m.read.private')
    expect(own.rooms.join[roomId].unread_notifications.notification_count).toBe(0)
    // The same again changes nothing, and wakes nobody.
    await bob.post(path)
    expect((await bob.sync(own)).rooms).toBeUndefined()
  })

  test('receipts never go back', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Session, Session]
    const roomId = await roomOf(alice, bob)
    const [early, late] = [await alice.send(roomId, 'early'), await alice.send(roomId, 'late')]
    await bob.post(`${inRoom(roomId)}/receipt/m.read/${late}`)
    await bob.post(`${inRoom(roomId)}/receipt/m.read/${early}`)
    await bob.post(`${inRoom(roomId)}/read_markers`, { 'm.fully_read': late })
    await bob.post(`${inRoom(roomId)}/read_markers`, { 'm.fully_read': early })
    const { ephemeral: events, account_data: data } = (await bob.sync()).rooms.join[roomId]
    expect(events.events.flatMap((event: Json) => Object.keys(event.content))).toEqual([late])
    expect(data.events).toEqual([{ type: 'm.fully_read', content: { event_id: late } }])
  })

  test('threads are read one by one', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Session, Session]
    const roomId = await roomOf(alice, bob)
    const root = await alice.send(roomId, 'root')
    const reply = () =>
      alice.send(roomId, { msgtype: 'm.text', body: 'reply', 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
    await reply()
    const last = await reply()
    const main = await alice.send(roomId, 'after')
    const filter = { room: { timeline: { unread_thread_notifications: true } } }
    const counts = async (since?: Json) => {
      const answer = await bob.sync(since, { filter })
      const { unread_notifications: unread, unread_thread_notifications: threads } = answer.rooms.join[roomId]
      return { answer, main: unread.notification_count, thread: threads[root]?.notification_count ?? 0 }
    }
    const before = await counts()
    expect([before.main, before.thread]).toEqual([2, 2])
    const whole = (await bob.sync()).rooms.join[roomId]
    expect(whole.unread_notifications.notification_count).toBe(4)
    expect(whole.unread_thread_notifications).toBeUndefined()

    await bob.post(`${inRoom(roomId)}/receipt/m.read/${main}`, { thread_id: 'main' })
    const readMain = await counts(before.answer)
    expect([readMain.main, readMain.thread]).toEqual([0, 2])
    await bob.post(`${inRoom(roomId)}/receipt/m.read/${last}`, { thread_id: root })
    const readThread = await counts(readMain.answer)
    expect([readThread.main, readThread.thread]).toEqual([0, 0])
    const receipts = ephemeral(readThread.answer, roomId)
    expect(receipts[0].content[last]['m.read'][bob.userId].thread_id).toBe(root)

    await reply()
    expect((await counts(readThread.answer)).thread).toBe(1)
    await bob.post(`${inRoom(roomId)}/receipt/m.read/${await reply()}`)
    expect((await counts(readThread.answer)).thread).toBe(0)
    // Who answers has read.
    const [third] = [await reply()]
    expect((await counts(readThread.answer)).thread).toBe(1)
    await bob.send(roomId, { body: 'me too', 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
    expect([third, (await counts(readThread.answer)).thread]).toEqual([third, 0])
  })

  test('receipts are refused for what is no receipt, no thread, or none of the reader’s business', async () => {
    const [alice, bob, eve] = (await people('alice', 'bob', 'eve')) as [Session, Session, Session]
    const roomId = await roomOf(alice, bob)
    const eventId = await alice.send(roomId, 'hello')
    const room = inRoom(roomId)
    const status = async (who: Session, path: string, body: object = {}) => {
      const reply = await who.call('POST', `${room}/${path}`, body)
      return [reply.status, reply.body.errcode]
    }
    expect(await status(bob, `receipt/m.unread/${eventId}`)).toEqual([400, 'M_INVALID_PARAM'])
    expect(await status(bob, `receipt/m.read/${eventId}`, { thread_id: '' })).toEqual([400, 'M_INVALID_PARAM'])
    expect(await status(bob, `receipt/m.read/${eventId}`, { thread_id: 7 })).toEqual([400, 'M_INVALID_PARAM'])
    expect(await status(bob, `receipt/m.read/${eventId}`, { thread_id: '$other' })).toEqual([400, 'M_INVALID_PARAM'])
    const fullyRead = `receipt/m.fully_read/${eventId}`
    expect(await status(bob, fullyRead, { thread_id: 'main' })).toEqual([400, 'M_INVALID_PARAM'])
    expect(await status(bob, 'receipt/m.read/$nothing')).toEqual([404, 'M_NOT_FOUND'])
    expect(await status(eve, `receipt/m.read/${eventId}`)).toEqual([403, 'M_FORBIDDEN'])
    const elsewhere = await eve.createRoom()
    const foreign = await eve.send(elsewhere, 'secret')
    expect(await status(bob, `receipt/m.read/${foreign}`)).toEqual([404, 'M_NOT_FOUND'])
    expect(await status(bob, 'read_markers', { 'm.fully_read': foreign })).toEqual([404, 'M_NOT_FOUND'])
    expect(await status(bob, fullyRead)).toEqual([200, undefined])
  })

  test('typing is seen while it lasts, by those in the room alone', async () => {
    const [alice, bob, eve] = (await people('alice', 'bob', 'eve')) as [Session, Session, Session]
    const roomId = await roomOf(alice, bob)
    const path = (who: Session) => `${inRoom(roomId)}/typing/${encodeURIComponent(who.userId)}`
    const since = await bob.sync()
    const eveSince = await eve.sync()
    const poll = bob.sync(since, { timeout: 30_000 })
    await alice.put(path(alice), { typing: true, timeout: 60_000 })
    const typing = await poll
    expect(ephemeral(typing, roomId)).toEqual([{ type: 'm.typing', content: { user_ids: [alice.userId] } }])
    // A repeated request is no news.
    await alice.put(path(alice), { typing: true, timeout: 60_000 })
    expect((await bob.sync(typing)).rooms).toBeUndefined()
    expect(ephemeral(await bob.sync(), roomId)).toHaveLength(1)
    expect((await eve.sync(eveSince)).rooms).toBeUndefined()

    await alice.put(path(alice), { typing: false })
    const stopped = await bob.sync(typing, { timeout: 30_000 })
    expect(ephemeral(stopped, roomId)).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
    await alice.put(path(alice), { typing: true, timeout: 20 })
    const brief = await bob.sync(stopped, { timeout: 30_000 })
    const over =
      ephemeral(brief, roomId)[0].content.user_ids.length === 0 ? brief : await bob.sync(brief, { timeout: 30_000 })
    expect(ephemeral(over, roomId)[0].content.user_ids).toEqual([])

    expect((await eve.call('PUT', path(eve), { typing: true })).status).toBe(403)
    expect((await bob.call('PUT', path(alice), { typing: true })).status).toBe(403)
  })
})

function ephemeral(answer: Json, roomId: string): Json[] {
  return answer.rooms.join[roomId].ephemeral.events
}
