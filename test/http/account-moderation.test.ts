import { expect, test, vi } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'
import { enter, enterAsAdmin, inRoom, type Json, logIn } from '../helpers/session.ts'

const path = (what: 'lock' | 'suspend', userId: string) =>
  `/_matrix/client/v1/admin/${what}/${encodeURIComponent(userId)}`

eachServer({}, (server) => {
  test('a locked user is kept out, polls end, sessions stay, logging out works', async () => {
    const [admin, alice] = [await enterAsAdmin(server, 'root'), await enter(server, 'alice')]
    const phone = await logIn(server, 'alice')
    const before = await alice.sync()
    const polls = [
      alice.call('GET', `/sync?since=${before.next_batch}&timeout=60000`),
      phone.call('GET', `/events?from=${before.next_batch}&timeout=60000`),
    ]
    await vi.waitFor(() => expect(server.app.live.waiters.count).toBe(2))
    expect(await admin.put(path('lock', alice.userId), { locked: true })).toEqual({ locked: true })
    for (const reply of await Promise.all(polls)) {
      expect([reply.status, reply.body]).toMatchObject([401, { errcode: 'M_USER_LOCKED', soft_logout: true }])
    }
    expect(await admin.get(path('lock', alice.userId))).toEqual({ locked: true })
    expect(await alice.refusal('GET', '/account/whoami')).toBe('401 M_USER_LOCKED')
    const identifier = { type: 'm.id.user', user: 'alice' }
    const login = { type: 'm.login.password', identifier, password: TEST_PASSWORD }
    expect(await alice.refusal('POST', '/login', login)).toBe('401 M_USER_LOCKED')
    await phone.post('/logout')

    await admin.put(path('lock', alice.userId), { locked: false })
    expect((await alice.get('/account/whoami')).user_id).toBe(alice.userId)
    expect(await phone.refusal('GET', '/account/whoami')).toBe('401 M_UNKNOWN_TOKEN')
  })

  test('who erases the account leaves nothing but what others have read', async () => {
    const [gone, there, later] = [
      await enter(server, 'gone'),
      await enter(server, 'there'),
      await enter(server, 'later'),
    ]
    const roomId = await there.createRoom({ preset: 'public_chat' })
    await gone.join(roomId)
    await gone.send(roomId, 'my secret')
    await gone.put(`/user/${gone.userId}/account_data/org.example`, { secret: 1 })
    const auth = { type: 'm.login.password', password: TEST_PASSWORD }
    expect(await gone.post('/account/deactivate', { auth, erase: true })).toEqual({
      id_server_unbind_result: 'success',
    })
    await later.join(roomId)
    const bodies = async (who: typeof there) =>
      (await who.get(`${inRoom(roomId)}/messages?dir=b&limit=50`)).chunk.flatMap(
        (event: Json) => event.content.body ?? [],
      )
    expect([await bodies(there), await bodies(later)]).toEqual([['my secret'], []])
    expect(await there.membership(roomId, gone.userId)).toBe('leave')
    expect(await later.refusal('GET', `/profile/${gone.userId}`)).toBe('404 M_NOT_FOUND')
    const left = await server.app.db.read(sql`SELECT user_id FROM profiles WHERE user_id = ${gone.userId}
      UNION ALL SELECT user_id FROM account_data WHERE user_id = ${gone.userId}
      UNION ALL SELECT user_id FROM user_words WHERE user_id = ${gone.userId}`)
    expect(left).toEqual([])
  })

  test('the poll of a device that is logged out ends', async () => {
    const nina = await enter(server, 'nina')
    const phone = await logIn(server, 'nina')
    const before = await phone.sync()
    const poll = phone.call('GET', `/sync?since=${before.next_batch}&timeout=60000`)
    await vi.waitFor(() => expect(server.app.live.waiters.count).toBe(1))
    await nina.post('/logout/all')
    expect((await poll).body.errcode).toBe('M_UNKNOWN_TOKEN')
  })

  test('a suspended user reads, leaves and takes back what they said, and nothing more', async () => {
    const [admin, bob, carol] = [
      await enterAsAdmin(server, 'root2'),
      await enter(server, 'bob'),
      await enter(server, 'carol'),
    ]
    const roomId = await carol.createRoom({ preset: 'public_chat' })
    const other = await carol.createRoom({ preset: 'public_chat', invite: [bob.userId] })
    await bob.join(roomId)
    await carol.setState(roomId, 'm.room.power_levels', { users: { [bob.userId]: 60 }, redact: 50 })
    const [own, foreign] = [await bob.send(roomId, 'mine'), await carol.send(roomId, 'hers')]
    expect(await admin.put(path('suspend', bob.userId), { suspended: true })).toEqual({ suspended: true })

    const room = inRoom(roomId)
    const refused: [string, string, object][] = [
      ['PUT', `${room}/send/m.room.message/1`, { msgtype: 'm.text', body: 'x' }],
      ['PUT', `${room}/send/m.room.redaction/2`, { redacts: foreign }],
      ['PUT', `${room}/redact/${encodeURIComponent(foreign)}/3`, {}],
      ['PUT', `${room}/state/m.room.topic`, { topic: 'x' }],
      ['PUT', `${room}/state/m.room.topic/`, { topic: 'x' }],
      ['POST', `${room}/invite`, { user_id: '@nobody:test.example' }],
      ['POST', `${room}/kick`, { user_id: carol.userId }],
      ['POST', `${inRoom(other)}/join`, {}],
      ['POST', `/join/${encodeURIComponent(other)}`, {}],
      ['POST', `/knock/${encodeURIComponent(other)}`, {}],
      ['POST', '/createRoom', {}],
      ['POST', `${room}/upgrade`, { new_version: '12' }],
      ['PUT', `/profile/${bob.userId}/displayname`, { displayname: 'x' }],
      ['DELETE', `/profile/${bob.userId}/avatar_url`, {}],
    ]
    for (const [method, where, body] of refused) {
      expect([where, await bob.refusal(method, where, body)]).toEqual([where, '403 M_USER_SUSPENDED'])
    }
    expect((await bob.sync()).rooms.join[roomId]).toBeDefined()
    await bob.put(`${room}/redact/${encodeURIComponent(own)}/4`)
    expect((await logIn(server, 'bob')).userId).toBe(bob.userId)
    await bob.post(`${inRoom(other)}/leave`)

    await admin.put(path('suspend', bob.userId), { suspended: false })
    await bob.send(roomId, 'back')
    expect(await admin.get(path('suspend', bob.userId))).toEqual({ suspended: false })
  })

  test('only administrators moderate, nobody themselves or one another, and strangers learn nothing', async () => {
    const [admin, other] = [await enterAsAdmin(server, 'root3'), await enterAsAdmin(server, 'root4')]
    const eve = await enter(server, 'eve')
    const capability = async (who: typeof eve) => (await who.get('/capabilities')).capabilities['m.account_moderation']
    expect([await capability(admin), await capability(eve)]).toEqual([{ lock: true, suspend: true }, undefined])
    for (const what of ['lock', 'suspend'] as const) {
      const body = { [what === 'lock' ? 'locked' : 'suspended']: true }
      for (const userId of [other.userId, '@nobody:test.example', '@away:elsewhere.example', 'nonsense']) {
        expect(await eve.refusal('GET', path(what, userId))).toBe('403 M_FORBIDDEN')
        expect(await eve.refusal('PUT', path(what, userId), body)).toBe('403 M_FORBIDDEN')
      }
      expect(await admin.refusal('PUT', path(what, other.userId), body)).toBe('403 M_FORBIDDEN')
      expect(await admin.refusal('PUT', path(what, admin.userId), body)).toBe('403 M_FORBIDDEN')
      expect(await admin.refusal('PUT', path(what, '@nobody:test.example'), body)).toBe('404 M_NOT_FOUND')
      expect(await admin.refusal('PUT', path(what, '@away:elsewhere.example'), body)).toBe('400 M_INVALID_PARAM')
      expect(await admin.refusal('PUT', path(what, eve.userId), {})).toBe('400 M_MISSING_PARAM')
    }
  })
})
