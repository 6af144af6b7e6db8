import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { pruneLog } from '../../src/actions/prune-log.ts'
import { write } from '../../src/actions/write.ts'
import { sql } from '../../src/db/sql.ts'
import { appserviceStates, endTransaction, transactionUnderWay } from '../../src/store/appservice-transactions.ts'
import { oldestLogRow } from '../../src/store/log.ts'
import { AS_TOKEN, registrationText, startAppservice, type TestAppservice } from '../helpers/appservice.ts'
import { eachEngine, type TestDatabase } from '../helpers/databases.ts'
import { oneTimeKeys } from '../helpers/device-keys.ts'
import { createTestNetwork, settled } from '../helpers/federation.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, type Json, type Session, sessionOf } from '../helpers/session.ts'

const bodies = (appservice: TestAppservice) => appservice.events('m.room.message').map((event) => event.content.body)

eachEngine((engine, fresh) => {
  const undo: (() => Promise<void>)[] = []

  async function running<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      for (const step of undo.splice(0).reverse()) await step()
    }
  }

  function uriOf({ options, dir }: TestDatabase): string {
    return engine === 'sqlite' ? `file:${join(dir, 'server.db')}` : options.connectionString
  }

  async function start(uri: string, url: string, more: object = {}): Promise<TestServer> {
    const registrations = [registrationText(url, more)]
    const global = { presence: { enable_inbound: true, enable_outbound: true } }
    const server = await startTestServer({}, uri, { registrations, global })
    let stopped = false
    const stop = async () => {
      if (!stopped) await server.stop()
      stopped = true
    }
    undo.push(stop)
    return { ...server, stop }
  }

  async function bridge(socketPath?: string): Promise<TestAppservice> {
    const appservice = await startAppservice(socketPath)
    undo.push(() => appservice.stop())
    return appservice
  }

  async function ghostOf(server: TestServer, username: string): Promise<Session> {
    const body = { type: 'm.login.application_service', username }
    const reply = await server.call('POST', '/_matrix/client/v3/register', { token: AS_TOKEN, body })
    expect(reply.status).toBe(200)
    const { user_id: userId, access_token: token, device_id: deviceId } = reply.body
    return sessionOf(server, { userId: String(userId), token: String(token), deviceId: String(deviceId) })
  }

  test('it hears of what concerns its users, aliases and rooms, and of nothing else', () =>
    running(async () => {
      const appservice = await bridge()
      const server = await start(uriOf(await fresh()), appservice.url)
      const alice = await enter(server, 'alice')
      const ghost = await ghostOf(server, '_bridge_ann')
      const roomId = await alice.createRoom({ name: 'Tea', preset: 'public_chat' })
      await alice.send(roomId, 'before anybody came')
      await alice.post(`/rooms/${roomId}/invite`, { user_id: ghost.userId })
      await alice.send(roomId, 'while it is invited')
      await ghost.join(roomId)
      await alice.send(roomId, 'to all of you')
      await alice.setState(roomId, 'm.room.name', { name: 'Tea at five' })
      await ghost.post(`/rooms/${roomId}/leave`)
      await alice.send(roomId, 'now that it has left')
      await server.followers.idle()
      expect(bodies(appservice)).toEqual(['to all of you'])
      const [invite, joined, left] = appservice.events('m.room.member')
      expect(invite).toMatchObject({ room_id: roomId, state_key: ghost.userId, content: { membership: 'invite' } })
      expect(invite.unsigned.invite_room_state).toContainEqual(
        expect.objectContaining({ type: 'm.room.name', content: { name: 'Tea' } }),
      )
      expect([joined.content.membership, left.content.membership]).toEqual(['join', 'leave'])
      expect(appservice.events('m.room.name')[0].unsigned.prev_content).toEqual({ name: 'Tea' })

      const other = await alice.createRoom({ preset: 'public_chat' })
      const alias = encodeURIComponent('#_bridge_tea:test.example')
      const named = { token: AS_TOKEN, body: { room_id: other } }
      expect((await server.call('PUT', `/_matrix/client/v3/directory/room/${alias}`, named)).status).toBe(200)
      await alice.send(other, 'by the alias')
      await server.followers.idle()
      expect(bodies(appservice)).toEqual(['to all of you', 'by the alias'])
      expect(new Set(appservice.tries.map(({ txnId }) => txnId)).size).toBe(appservice.tries.length)
    }))

  /** It does not take the first message, and then the server restarts: `meanwhile` may do harm before that. */
  async function takenLate(meanwhile: (server: TestServer) => Promise<unknown>) {
    const appservice = await bridge()
    const uri = uriOf(await fresh())
    let server = await start(uri, appservice.url)
    const alice = await enter(server, 'alice')
    const ghost = await ghostOf(server, '_bridge_ann')
    const roomId = await alice.createRoom({ invite: [ghost.userId] })
    await ghost.join(roomId)
    await server.followers.idle()
    appservice.answer(undefined)
    await alice.send(roomId, 'one')
    await appservice.until(() => appservice.tries.at(-1)?.raw.includes('"one"') === true)
    const first = appservice.tries.at(-1)
    await alice.send(roomId, 'two')
    await ghost.post(`/rooms/${roomId}/leave`)
    await alice.send(roomId, 'three')
    await server.followers.idle()
    await meanwhile(server)
    await server.stop()

    appservice.answer(200)
    server = await start(uri, appservice.url)
    await appservice.until(() => bodies(appservice).includes('two'))
    await server.followers.idle()
    expect(await server.app.db.read(sql`SELECT txn_id FROM appservice_transactions`)).toEqual([])
    return { appservice, first }
  }

  test('what it did not take comes again in the same words under the same name, also after a restart', () =>
    running(async () => {
      const kept: unknown[] = []
      const { appservice, first } = await takenLate(async ({ app }) => {
        kept.push(...(await app.db.read(sql`SELECT txn_id, failures FROM appservice_transactions`)))
      })
      expect(kept).toEqual([{ txn_id: first?.txnId, failures: expect.any(Number) }])
      expect(bodies(appservice)).toEqual(['one', 'two'])
      expect(appservice.taken().find(({ txnId }) => txnId === first?.txnId)?.raw).toBe(first?.raw)
    }))

  test('a server that went on before the answer would be seen', () =>
    running(async () => {
      const { appservice } = await takenLate(async ({ app }) => {
        const row = await transactionUnderWay(app.db, 'bridge')
        await app.db.commit({ guards: [], writes: endTransaction('bridge', row!), log: [] })
      })
      expect(bodies(appservice)).toEqual(['two'])
    }))

  test('one that refuses for good does not hold the log back; of what is gone it hears the newest of each room', () =>
    running(async () => {
      const appservice = await bridge()
      const server = await start(uriOf(await fresh()), appservice.url)
      const { app } = server
      const alice = await enter(server, 'alice')
      const ghost = await ghostOf(server, '_bridge_ann')
      const roomId = await alice.createRoom({ preset: 'public_chat' })
      const quiet = await alice.createRoom({ preset: 'public_chat' })
      for (const room of [roomId, quiet]) await ghost.join(room)
      const elsewhere = await alice.createRoom()
      await server.followers.idle()
      appservice.answer(400)
      await alice.send(roomId, 'one')
      await appservice.until(() => appservice.tries.at(-1)?.raw.includes('"one"') === true)
      await alice.send(roomId, 'two')
      await ghost.post(`/rooms/${roomId}/leave`)
      await ghost.join(roomId)
      for (const body of ['lost', 'the last one here']) await alice.send(quiet, body)
      await alice.send(elsewhere, 'none of its business')
      await alice.send(roomId, 'the last one')
      await server.followers.idle()
      const refused = { id: 'bridge', failing_since: expect.any(Number), reason: 'it answers 400' }
      expect(await appserviceStates(app.db)).toMatchObject([refused])
      const others = sql`UPDATE cursors SET position = ${app.db.safePosition()} WHERE name <> 'appservice:bridge'`
      await write(app, { guards: [], writes: [others], log: [] })
      await pruneLog(app, app.db.safePosition(), 0)
      expect(await oldestLogRow(app.db)).toBeUndefined()
      await alice.send(roomId, 'three')
      const warned = vi.spyOn(app.log, 'warn')
      appservice.answer(200)
      await appservice.until(() => bodies(appservice).includes('three'))
      expect(bodies(appservice)).toEqual(['one', 'the last one here', 'the last one', 'three'])
      await server.followers.idle()
      expect(await appserviceStates(app.db)).toMatchObject([{ id: 'bridge', failing_since: null, reason: null }])
      expect(warned.mock.calls).toContainEqual([
        { appservice: 'bridge', rows: expect.any(Number) },
        expect.stringContaining('longer than the log is kept'),
      ])
    }))

  test('one that is reached again is told at once, and one that sends us something is tried once more', () =>
    running(async () => {
      const appservice = await bridge()
      const server = await start(uriOf(await fresh()), appservice.url)
      const ghost = await ghostOf(server, '_bridge_ann')
      appservice.answer(undefined)
      await ghost.createRoom()
      const retries = async () => {
        await server.followers.idle()
        const rows = await server.app.db.read<{ retry_at: number }>(sql`SELECT retry_at FROM appservice_transactions`)
        return { tries: appservice.tries.length, retryAt: rows[0]?.retry_at ?? 0 }
      }
      appservice.onQuery(async () => 200)
      const ping = () => server.call('POST', '/_matrix/client/v1/appservice/bridge/ping', { token: AS_TOKEN, body: {} })
      const whoami = () => server.call('GET', '/_matrix/client/v3/account/whoami', { token: AS_TOKEN })
      await appservice.until(() => appservice.tries.length > 0)
      // Each failure doubles the pause: soon no try falls into this test but those that it asks for.
      for (let n = 0; n < 6; n++) {
        const { tries } = await retries()
        server.app.live.appserviceSigns.note('bridge', 'reached')
        await appservice.until(() => appservice.tries.length > tries)
      }
      const before = await retries()
      expect(before.retryAt - server.app.clock.now()).toBeGreaterThan(10_000)
      await whoami()
      await appservice.until(() => appservice.tries.length === before.tries + 1)
      await whoami()
      expect((await retries()).tries).toBe(before.tries + 1)
      appservice.answer(200)
      await ping()
      await appservice.until(() => appservice.taken().length > 0)
      expect(server.app.clock.now()).toBeLessThan(before.retryAt)
    }))

  test.runIf(engine === 'postgres')('one that another process reaches, or hears of, is told at once', () =>
    running(async () => {
      const appservice = await bridge()
      const uri = uriOf(await fresh())
      const [sending, other] = [await start(uri, appservice.url), await start(uri, appservice.url)]
      const ghost = await ghostOf(sending, '_bridge_ann')
      appservice.answer(undefined)
      await ghost.createRoom()
      appservice.onQuery(async () => 200)
      const ask = (method: string, path: string, body?: object) =>
        other.call(method, `/_matrix/client/${path}`, { token: AS_TOKEN, ...(body && { body }) })
      await appservice.until(() => appservice.tries.length > 0)
      // Each failure doubles the pause: soon no try falls into this test but those that it asks for.
      for (let n = 0; n < 6; n++) {
        await sending.followers.idle()
        const tries = appservice.tries.length
        other.app.live.appserviceSigns.note('bridge', 'reached')
        await appservice.until(() => appservice.tries.length > tries)
      }
      await sending.followers.idle()
      const tries = appservice.tries.length
      await ask('GET', 'v3/account/whoami')
      await appservice.until(() => appservice.tries.length === tries + 1)
      await sending.followers.idle()
      const rows = await other.app.db.read<{ retry_at: number }>(sql`SELECT retry_at FROM appservice_transactions`)
      appservice.answer(200)
      expect((await ask('POST', 'v1/appservice/bridge/ping', {})).status).toBe(200)
      await appservice.until(() => appservice.taken().length > 0)
      expect(other.app.clock.now()).toBeLessThan(rows[0]!.retry_at)
    }),
  )

  test('who types, what is read, presence, messages to devices and keys come if the registration asks', () =>
    running(async () => {
      const appservice = await bridge()
      const more = { receive_ephemeral: true, 'org.matrix.msc3202': true }
      const server = await start(uriOf(await fresh()), appservice.url, more)
      const alice = await enter(server, 'alice')
      const ghost = await ghostOf(server, '_bridge_ann')
      const roomId = await alice.createRoom({ invite: [ghost.userId] })
      await ghost.join(roomId)
      const quiet = await alice.createRoom()
      const [eventId, unheard] = [await alice.send(roomId, 'hello'), await alice.send(quiet, 'alone')]
      await alice.post(`/rooms/${roomId}/receipt/m.read/${eventId}`)
      await alice.post(`/rooms/${quiet}/receipt/m.read/${unheard}`)
      await alice.post(`/rooms/${roomId}/receipt/m.read.private/${eventId}`)
      await ghost.post(`/rooms/${roomId}/receipt/m.read.private/${eventId}`)
      await alice.put(`/presence/${alice.userId}/status`, { presence: 'online', status_msg: 'here' })
      for (const room of [roomId, quiet])
        await alice.put(`/rooms/${room}/typing/${alice.userId}`, { typing: true, timeout: 30_000 })
      await ghost.post('/keys/upload', { one_time_keys: oneTimeKeys(['AAAA', 'AAAB']) })
      const messages = { [ghost.userId]: { [ghost.deviceId]: { secret: 1 } } }
      await alice.put('/sendToDevice/m.test/1', { messages })
      await server.followers.idle()

      const all = appservice.taken().map(({ body }) => body)
      const told = all.flatMap((body: Json) => body.ephemeral ?? [])
      expect(all.flatMap((body: Json) => body['de.sorunome.msc2409.ephemeral'] ?? [])).toEqual(told)
      const of = (type: string) => told.filter((event: Json) => event.type === type)
      expect(of('m.typing')).toEqual([{ type: 'm.typing', room_id: roomId, content: { user_ids: [alice.userId] } }])
      const read = of('m.receipt').flatMap((event: Json) => {
        expect(event.room_id).toBe(roomId)
        const types = Object.entries(event.content[eventId]) as [string, Json][]
        return types.map(([type, users]): Json => [type, Object.keys(users)])
      })
      expect(read).toContainEqual(['m.read', [alice.userId]])
      expect(read.filter(([type]: Json) => type === 'm.read.private').flatMap(([, users]: Json) => users)).toEqual([
        ghost.userId,
      ])
      expect(of('m.presence').at(-1)).toMatchObject({ sender: alice.userId, content: { status_msg: 'here' } })
      expect(all.flatMap((body: Json) => body['de.sorunome.msc2409.to_device'] ?? [])).toEqual([
        { ...{ type: 'm.test', sender: alice.userId, content: { secret: 1 } }, ...addressOf(ghost) },
      ])
      expect((await ghost.sync()).to_device?.events ?? []).toEqual([])
      const counts = all.flatMap((body: Json) => body['org.matrix.msc3202.device_one_time_keys_count'] ?? [])
      expect(counts.at(-1)[ghost.userId][ghost.deviceId]).toEqual({ signed_curve25519: 2 })
      const lists = all.flatMap((body: Json) => body['org.matrix.msc3202.device_lists'] ?? [])
      expect(lists.flatMap((list: Json) => list.changed)).toEqual(expect.arrayContaining([alice.userId]))
      await alice.post(`/rooms/${roomId}/leave`)
      await server.followers.idle()
      const last = appservice.taken().at(-1)?.body['org.matrix.msc3202.device_lists']
      expect(last.left).toEqual([alice.userId])
    }))

  test('users and aliases that are not there yet are asked for, and made meanwhile', () =>
    running(async () => {
      const { dir, ...database } = await fresh()
      const appservice = await bridge(join(dir, `bridge-${engine}.sock`))
      const server = await start(uriOf({ dir, ...database }), appservice.url)
      const asked: string[] = []
      const alice = await enter(server, 'alice')
      const roomId = await alice.createRoom({ preset: 'public_chat' })
      appservice.onQuery(async (path) => {
        asked.push(path)
        if (path.includes('nobody')) return 404
        if (path.startsWith('/users/')) await ghostOf(server, path.slice('/users/@'.length).split(':')[0]!)
        else {
          const alias = encodeURIComponent(path.slice('/rooms/'.length))
          const body = { room_id: roomId }
          await server.call('PUT', `/_matrix/client/v3/directory/room/${alias}`, { token: AS_TOKEN, body })
        }
        return 200
      })
      await alice.post(`/rooms/${roomId}/invite`, { user_id: '@_bridge_new:test.example' })
      expect(await alice.get('/profile/@_bridge_other:test.example')).toBeTypeOf('object')
      expect(await alice.refused('GET', '/profile/@_bridge_nobody:test.example')).toBe('404 M_NOT_FOUND')
      const bob = await enter(server, 'bob')
      expect((await bob.post(`/join/${encodeURIComponent('#_bridge_x:test.example')}`)).room_id).toBe(roomId)
      expect(await bob.refused('POST', `/join/${encodeURIComponent('#_bridge_nobody:test.example')}`)).toBe(
        '404 M_NOT_FOUND',
      )
      expect(await bob.refused('GET', `/directory/room/${encodeURIComponent('#tea:test.example')}`)).toBe(
        '404 M_NOT_FOUND',
      )
      expect(asked).toEqual([
        '/users/@_bridge_new:test.example',
        '/users/@_bridge_other:test.example',
        '/users/@_bridge_nobody:test.example',
        '/rooms/#_bridge_x:test.example',
        '/rooms/#_bridge_nobody:test.example',
      ])
    }))
})

function addressOf({ userId, deviceId }: Session) {
  return { to_user_id: userId, to_device_id: deviceId }
}

test('an invite of another server reaches the ghost that it makes the application service register', async () => {
  const appservice = await startAppservice()
  const network = createTestNetwork()
  try {
    const a = await network.start('a.example', undefined, { registrations: [registrationText(appservice.url)] })
    const b = await network.start('b.example')
    appservice.onQuery(async () => {
      const body = { type: 'm.login.application_service', username: '_bridge_ann', inhibit_login: true }
      return (await a.call('POST', '/_matrix/client/v3/register', { token: AS_TOKEN, body })).status
    })
    const bob = await enter(b, 'bob')
    const roomId = await bob.createRoom({ name: 'Tea' })
    await bob.post(`/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: '@_bridge_ann:a.example' })
    await settled(a, b)
    const [invite] = appservice.events('m.room.member')
    expect(invite).toMatchObject({ room_id: roomId, sender: bob.userId, state_key: '@_bridge_ann:a.example' })
    expect(invite.content.membership).toBe('invite')
    expect(invite.event_id).toMatch(/^\$/)
    expect(invite.unsigned.invite_room_state).toContainEqual(
      expect.objectContaining({ type: 'm.room.name', content: { name: 'Tea' } }),
    )
  } finally {
    await network.stop()
    await appservice.stop()
  }
})
