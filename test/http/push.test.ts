import { join } from 'node:path'
import { expect, test } from 'vitest'
import { moderateAccount } from '../../src/actions/accounts/moderate-account.ts'
import { eachEngine } from '../helpers/databases.ts'
import { startGateway, type TestGateway } from '../helpers/push-gateway.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, inRoom, type Json, logIn, type Session } from '../helpers/session.ts'

const PORT_OF_URL = /:(\d+)\//

function pusher(gateway: TestGateway, more: object = {}) {
  return {
    kind: 'http',
    app_id: 'org.example.app',
    pushkey: 'the key',
    app_display_name: 'App',
    device_display_name: 'Phone',
    lang: 'en',
    data: { url: gateway.url, flavour: 'mint' },
    ...more,
  }
}

eachEngine((engine, fresh) => {
  async function withServer(run: (server: TestServer, gateway: TestGateway, again: Again) => Promise<void>) {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'push.db')}`
    const begin = () => startTestServer({}, uri, { federationApi: { deny_networks: [] } })
    const gateway = await startGateway()
    let server = await begin()
    const again = async () => {
      await server.stop()
      server = await begin()
      return server
    }
    try {
      await run(server, gateway, again)
    } finally {
      await server.stop()
      await gateway.stop()
    }
  }
  type Again = () => Promise<TestServer>

  async function twoInARoom(server: TestServer): Promise<{ alice: Session; bob: Session; roomId: string }> {
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const roomId = await alice.createRoom({ preset: 'public_chat', name: 'The room', invite: [] })
    await bob.join(roomId)
    return { alice, bob, roomId }
  }

  test('a message comes to the gateway with all that is specified; what is read leaves the badge', async () => {
    await withServer(async (server, gateway) => {
      const { alice, bob, roomId } = await twoInARoom(server)
      await bob.post('/pushers/set', pusher(gateway))
      const { pushers } = await bob.get('/pushers')
      expect(pushers).toEqual([pusher(gateway)])
      const eventId = await alice.send(roomId, 'hello')
      const told = await gateway.next()
      expect(told).toMatchObject({
        event_id: eventId,
        room_id: roomId,
        type: 'm.room.message',
        sender: alice.userId,
        sender_display_name: 'alice',
        room_name: 'The room',
        prio: 'high',
        content: { body: 'hello' },
        counts: { unread: 1 },
      })
      expect(told.devices).toEqual([
        {
          app_id: 'org.example.app',
          pushkey: 'the key',
          pushkey_ts: expect.any(Number),
          data: { flavour: 'mint' },
          tweaks: { sound: 'default' },
        },
      ])
      await alice.send(roomId, 'again')
      expect((await gateway.next()).counts).toEqual({ unread: 2 })
      await bob.post(`${inRoom(roomId)}/receipt/m.read.private/${eventId}`)
      const badge = await gateway.next()
      expect([badge.counts, badge.event_id]).toEqual([{ unread: 1 }, undefined])
      await bob.send(roomId, 'mine')
      expect((await gateway.next()).counts).toEqual({ unread: 0 })
    })
  })

  test('an invite is told; what is muted or one’s own is not; the format may be the id alone', async () => {
    await withServer(async (server, gateway) => {
      const { alice, bob, roomId } = await twoInARoom(server)
      await bob.post('/pushers/set', pusher(gateway, { data: { url: gateway.url, format: 'event_id_only' } }))
      const muted = await alice.createRoom({ preset: 'public_chat' })
      await bob.join(muted)
      await bob.put(`/pushrules/global/room/${encodeURIComponent(muted)}`, { actions: [] })
      await alice.send(muted, 'nobody hears')
      await bob.send(roomId, 'mine')
      const invited = await alice.createRoom({ name: 'Secrets', invite: [bob.userId] })
      const told = await gateway.next()
      expect(told.room_id).toBe(invited)
      expect(Object.keys(told).sort()).toEqual(['counts', 'devices', 'event_id', 'prio', 'room_id'])
      await bob.post('/pushers/set', pusher(gateway))
      await alice.post(`${inRoom(invited)}/kick`, { user_id: bob.userId })
      await alice.post(`${inRoom(invited)}/invite`, { user_id: bob.userId })
      const second = await gateway.next()
      expect(second).toMatchObject({ room_name: 'Secrets', user_is_target: true, content: { membership: 'invite' } })
      expect(gateway.heard).toHaveLength(2)
    })
  })

  test('a gateway that does not answer holds up no other one; a mention wakes a phone', async () => {
    await withServer(async (server, gateway) => {
      const { alice, bob, roomId } = await twoInARoom(server)
      const slow = await startGateway()
      try {
        slow.hang()
        await bob.post('/pushers/set', pusher(slow, { pushkey: 'of the slow one' }))
        await bob.post('/pushers/set', pusher(gateway))
        await alice.send(roomId, 'hello')
        expect((await slow.next()).content.body).toBe('hello')
        expect((await gateway.next()).content.body).toBe('hello')
        // So that a message alone makes no sound.
        await (await enter(server, 'carol')).join(roomId)
        await alice.send(roomId, 'everybody')
        const mention = { msgtype: 'm.text', body: 'Bob', 'm.mentions': { user_ids: [bob.userId] } }
        await alice.send(roomId, mention)
        const [told, mentioned] = [await gateway.next(), await gateway.next()]
        expect([told.prio, told.devices[0].tweaks]).toEqual(['low', {}])
        expect(mentioned).toMatchObject({ prio: 'high', content: mention, counts: { unread: 3 } })
        expect(mentioned.devices[0].tweaks).toEqual({ sound: 'default', highlight: true })
        expect(slow.heard).toHaveLength(1)
      } finally {
        await slow.stop()
      }
    })
  })

  test('a gateway that was down hears everything, in order and once, also after a restart', async () => {
    await withServer(async (server, gateway, again) => {
      const { alice, bob, roomId } = await twoInARoom(server)
      const port = Number(PORT_OF_URL.exec(gateway.url)?.[1])
      await bob.post('/pushers/set', pusher(gateway))
      await alice.send(roomId, '0')
      await gateway.next()
      gateway.answer(502)
      await alice.send(roomId, '1')
      await gateway.next()
      await gateway.stop()
      for (const body of ['2', '3']) await alice.send(roomId, body)
      await again()
      const back = await startGateway(port)
      try {
        const bodies: string[] = []
        while (bodies.length < 3) bodies.push((await back.next()).content.body)
        expect(bodies).toEqual(['1', '2', '3'])
        const restarted = await again()
        const sender = await logIn(restarted, 'alice')
        await sender.send(roomId, '4')
        expect((await back.next()).content.body).toBe('4')
        expect(back.heard).toHaveLength(4)
      } finally {
        await back.stop()
      }
    })
  })

  test('who is locked out is told nothing, and afterwards what is still unread', async () => {
    await withServer(async (server, gateway, again) => {
      const { alice, bob, roomId } = await twoInARoom(server)
      await bob.post('/pushers/set', pusher(gateway))
      await alice.send(roomId, 'before')
      await gateway.next()
      await moderateAccount(server.app, bob.userId, 'locked', true)
      await server.followers.idle()
      await alice.send(roomId, 'hidden')
      await server.followers.idle()
      const restarted = await again()
      await (await logIn(restarted, 'alice')).send(roomId, 'hidden too')
      await restarted.followers.idle()
      expect(gateway.heard).toHaveLength(1)
      await moderateAccount(restarted.app, bob.userId, 'locked', false)
      const bodies = [(await gateway.next()).content.body, (await gateway.next()).content.body]
      expect(bodies).toEqual(['hidden', 'hidden too'])
    })
  })

  test('what the gateway refuses is left out; a pusher ends with its session, or by the gateway', async () => {
    await withServer(async (server, gateway) => {
      const { alice, bob, roomId } = await twoInARoom(server)
      await bob.post('/pushers/set', pusher(gateway))
      gateway.answer(400, { errcode: 'M_UNKNOWN' })
      await alice.send(roomId, 'refused')
      await gateway.next()
      gateway.answer(200, { rejected: ['another key'] })
      await alice.send(roomId, 'taken')
      expect((await gateway.next()).content.body).toBe('taken')

      const phone = await logIn(server, 'bob')
      await phone.post('/pushers/set', pusher(gateway, { pushkey: 'of the phone' }))
      await phone.post('/logout')
      const after = (await bob.get('/pushers')).pushers as Json[]
      expect(after.map(({ pushkey }) => pushkey)).toEqual(['the key'])
      gateway.answer(200, { rejected: ['the key'] })
      await alice.send(roomId, 'the last')
      expect((await gateway.next()).content.body).toBe('the last')
      await server.followers.idle()
      expect(await bob.get('/pushers')).toEqual({ pushers: [] })
      await alice.send(roomId, 'unheard')
      await server.followers.idle()
      expect(gateway.heard.map((told) => told.content.body)).toEqual(['refused', 'taken', 'the last'])
    })
  })

  test('pushers are checked, limited, taken over from other users unless they say otherwise, and removed', async () => {
    await withServer(async (server, gateway) => {
      const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
      const refused = (more: object) => bob.refused('POST', '/pushers/set', pusher(gateway, more))
      expect(await refused({ lang: undefined })).toBe('400 M_MISSING_PARAM')
      for (const more of [
        { data: {} },
        { data: { url: 'https://example.org/elsewhere' } },
        { data: { url: 'ftp://example.org/_matrix/push/v1/notify' } },
        { kind: 'pigeon' },
        { app_id: 'x'.repeat(65) },
        { pushkey: 'ü'.repeat(300) },
      ])
        expect(await refused(more)).toMatch(/^400 M_(INVALID_PARAM|BAD_JSON)$/)
      await bob.post('/pushers/set', pusher(gateway))
      await alice.post('/pushers/set', pusher(gateway, { append: true }))
      expect((await bob.get('/pushers')).pushers).toHaveLength(1)
      await alice.post('/pushers/set', pusher(gateway, { profile_tag: 'day' }))
      expect(await bob.get('/pushers')).toEqual({ pushers: [] })
      expect((await alice.get('/pushers')).pushers).toEqual([pusher(gateway, { profile_tag: 'day' })])
      await alice.post('/pushers/set', { kind: null, app_id: 'org.example.app', pushkey: 'the key' })
      expect(await alice.get('/pushers')).toEqual({ pushers: [] })
      for (let n = 0; n < 100; n++) await bob.post('/pushers/set', pusher(gateway, { pushkey: `${n}` }))
      expect(await refused({ pushkey: 'one more' })).toBe('400 M_INVALID_PARAM')
    })
  })
})
