import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendServerNotice } from '../../../src/actions/rooms/send-server-notice.ts'
import type { UserId } from '../../../src/core/ids.ts'
import { createUnderway } from '../../../src/live/underway.ts'
import { startTestServer, type TestServer } from '../../helpers/server.ts'
import { enter, enterAsAdmin, inRoom, type Session } from '../../helpers/session.ts'

const PATH = '/_synapse/admin/v1/send_server_notice'
const content = { msgtype: 'm.text', body: 'The server is moving.' }

let server: TestServer
let admin: Session
beforeAll(async () => {
  server = await startTestServer({}, undefined, { global: { server_notices: { enabled: true, room_name: 'News' } } })
  admin = await enterAsAdmin(server, 'admin')
})
afterAll(() => server.stop())

const invitesOf = async (user: Session) => Object.keys((await user.sync()).rooms?.invite ?? {})

test('a notice comes in a room of its own, tagged, whose invite is not rejected', async () => {
  const alice = await enter(server, 'alice')
  const notices = Array.from({ length: 3 }, () => admin.post(PATH, { user_id: alice.userId, content }))
  const [first, second] = await Promise.all(notices)
  expect(first.event_id).not.toBe(second.event_id)
  const [roomId, ...others] = await invitesOf(alice)
  expect(others).toEqual([])
  const room = inRoom(roomId!)
  expect(await alice.get(`/user/${encodeURIComponent(alice.userId)}${room}/tags`)).toEqual({
    tags: { 'm.server_notice': {} },
  })
  const reject = { membership: 'leave' }
  expect(await alice.refusal('POST', `${room}/leave`)).toBe('403 M_CANNOT_LEAVE_SERVER_NOTICE_ROOM')
  expect(await alice.refusal('PUT', `${room}/state/m.room.member/${encodeURIComponent(alice.userId)}`, reject)).toBe(
    '403 M_CANNOT_LEAVE_SERVER_NOTICE_ROOM',
  )
  await alice.join(roomId!)
  expect((await alice.state(roomId!, 'm.room.name')).name).toBe('News')
  expect((await alice.get(`${room}/event/${encodeURIComponent(first.event_id)}`)).content).toEqual(content)
  expect(await alice.refusal('PUT', `${room}/send/m.room.message/1`, content)).toBe('403 M_FORBIDDEN')
  // Who has joined may leave, and is invited again by the next notice.
  await alice.post(`${room}/leave`)
  await admin.post(PATH, { user_id: alice.userId, content })
  expect(await invitesOf(alice)).toEqual([roomId])
})

test('the same transaction is one notice', async () => {
  const bob = await enter(server, 'bob')
  const send = () => admin.put(`${PATH}/t1`, { user_id: bob.userId, content })
  expect(await send()).toEqual(await send())
})

test('two processes that speak to somebody at once make one sender and one room', async () => {
  const two = await startTestServer({}, undefined, { global: { server_notices: { enabled: true } } })
  // What is under way is known to its process alone.
  const processes = [1, 2].map(() => ({ ...two.app, live: { ...two.app.live, preparing: createUnderway<string>() } }))
  // To the first of them the sender is made, too.
  for (const user of [await enter(two, 'eve'), await enter(two, 'fay')]) {
    const notice = { userId: user.userId as UserId, type: 'm.room.message', stateKey: null, content }
    const sent = await Promise.all(processes.map((app) => sendServerNotice(app, notice)))
    const [roomId, ...others] = await invitesOf(user)
    expect(others).toEqual([])
    await user.join(roomId!)
    for (const id of sent)
      expect((await user.get(`${inRoom(roomId!)}/event/${encodeURIComponent(id)}`)).content).toEqual(content)
  }
  await two.stop()
})

test('only administrators speak for the server, and nobody takes its name', async () => {
  const carol = await enter(server, 'carol')
  expect(await carol.refusal('POST', PATH, { user_id: carol.userId, content })).toBe('403 M_FORBIDDEN')
  for (const user_id of ['@nobody:test.example', '@carol:other.example', '@_server:test.example'])
    expect([user_id, await admin.refusal('POST', PATH, { user_id, content })]).toEqual([user_id, '404 M_NOT_FOUND'])
  expect(await admin.refusal('POST', PATH, { user_id: 'carol', content })).toBe('400 M_INVALID_PARAM')
  const body = { username: '_server', password: 'a password of mine', auth: { type: 'm.login.dummy' } }
  expect((await server.call('POST', '/_matrix/client/v3/register', { body })).status).toBe(400)
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: '_server' }, password: '' }
  expect((await server.call('POST', '/_matrix/client/v3/login', { body: login })).status).toBe(403)
})

test('without notices there are none', async () => {
  const bare = await startTestServer()
  const boss = await enterAsAdmin(bare, 'boss')
  const dave = await enter(bare, 'dave')
  expect(await boss.refusal('POST', PATH, { user_id: dave.userId, content })).toBe('400 M_UNKNOWN')
  await bare.stop()
})
