import { expect, test, vi } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { type Account, TEST_PASSWORD } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const auth = { type: 'm.login.password', password: TEST_PASSWORD }

eachServer({}, (server) => {
  async function secondDevice({ userId }: Account, password = TEST_PASSWORD) {
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: userId }, password }
    return server.call('POST', `${v3}/login`, { body })
  }

  async function tokenStatus(token: unknown): Promise<number> {
    return (await server.call('GET', `${v3}/account/whoami`, { token: String(token) })).status
  }

  test('a session of registration is good for that registration once', async () => {
    const path = `${v3}/register`
    const body = { username: 'reg', password: TEST_PASSWORD }
    const asked = await server.call('POST', path, { body })
    expect([asked.status, asked.body.flows]).toEqual([401, [{ stages: ['m.login.dummy'] }]])
    const dummy = { type: 'm.login.dummy', session: asked.body.session }
    const other = await server.call('POST', path, { body: { ...body, username: 'reg2', auth: dummy } })
    expect([other.status, other.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    const invented = { ...dummy, session: 'invented' }
    expect((await server.call('POST', path, { body: { ...body, auth: invented } })).status).toBe(403)
    expect((await server.call('POST', path, { body: { ...body, auth: dummy } })).status).toBe(200)
  })

  test('a session of registration remembers what was said first, and answers once more if asked', async () => {
    const path = `${v3}/register`
    const body = { username: 'lost', password: TEST_PASSWORD, device_id: 'PHONE', initial_device_display_name: 'phone' }
    const asked = await server.call('POST', path, { body })
    const auth = { type: 'm.login.dummy', session: asked.body.session }
    const made = await server.call('POST', path, { body: { auth } })
    expect(made.body).toMatchObject({ user_id: '@lost:test.example', device_id: 'PHONE' })

    const again = await server.call('POST', path, { body: { ...body, auth } })
    expect(again.body).toMatchObject({ user_id: '@lost:test.example', device_id: 'PHONE' })
    expect(await tokenStatus(again.body.access_token)).toBe(200)
    // Knowing the session alone is not enough any more, and another password never was.
    expect((await server.call('POST', path, { body: { auth } })).status).toBe(403)
    const other = await server.call('POST', path, { body: { ...body, password: 'another password', auth } })
    expect(other.body.errcode).toBe('M_USER_IN_USE')
  })

  test('a session is refused to another user, device and path', async () => {
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const phone = await secondDevice(alice)
    const path = `${v3}/delete_devices`
    const body = { devices: [alice.deviceId] }
    const asked = await server.call('POST', path, { token: alice.token, body })
    expect(asked.status).toBe(401)
    const answer = { ...body, auth: { ...auth, session: asked.body.session } }
    for (const token of [bob.token, String(phone.body.access_token)]) {
      expect((await server.call('POST', path, { token, body: answer })).status).toBe(403)
    }
    const one = `${v3}/devices/${alice.deviceId}`
    const elsewhere = await server.call('DELETE', one, { token: alice.token, body: { auth: answer.auth } })
    expect(elsewhere.status).toBe(403)
    expect((await server.call('POST', path, { token: alice.token, body: answer })).status).toBe(200)
    expect([await tokenStatus(alice.token), await tokenStatus(phone.body.access_token)]).toEqual([401, 200])
  })

  test('a device is deleted with the password of its own user alone', async () => {
    const [carol, dave] = [await server.register('carol'), await server.register('dave')]
    const path = `${v3}/devices/${carol.deviceId}`
    const wrong = await server.call('DELETE', path, { token: carol.token, body: { auth: { ...auth, password: 'no' } } })
    expect([wrong.status, wrong.body.errcode]).toEqual([401, 'M_FORBIDDEN'])
    const named = { auth: { ...auth, identifier: { type: 'm.id.user', user: 'dave' } } }
    expect((await server.call('DELETE', path, { token: carol.token, body: named })).status).toBe(403)
    await server.call('DELETE', path, { token: dave.token, body: { auth } })
    expect(await tokenStatus(carol.token)).toBe(200)
    expect((await server.call('DELETE', path, { token: carol.token, body: { auth } })).status).toBe(200)
    expect(await tokenStatus(carol.token)).toBe(401)
  })

  test('a new password ends the other sessions unless they are to stay', async () => {
    const erin = await server.register('erin')
    const phone = await secondDevice(erin)
    const path = `${v3}/account/password`
    const keep = { new_password: 'another password', logout_devices: false, auth }
    expect((await server.call('POST', path, { token: erin.token, body: keep })).status).toBe(200)
    expect(await tokenStatus(phone.body.access_token)).toBe(200)
    const next = { new_password: 'third password', auth: { ...auth, password: 'another password' } }
    expect((await server.call('POST', path, { token: erin.token, body: next })).status).toBe(200)
    expect([await tokenStatus(erin.token), await tokenStatus(phone.body.access_token)]).toEqual([200, 401])
    expect([(await secondDevice(erin)).status, (await secondDevice(erin, 'third password')).status]).toEqual([403, 200])
  })

  test('a deactivated account has no session and no login', async () => {
    const frank = await server.register('frank')
    const path = `${v3}/account/deactivate`
    expect((await server.call('POST', path, { token: frank.token, body: {} })).status).toBe(401)
    const done = await server.call('POST', path, { token: frank.token, body: { auth, erase: true } })
    expect([done.status, done.body]).toEqual([200, { id_server_unbind_result: 'success' }])
    expect([await tokenStatus(frank.token), (await secondDevice(frank)).status]).toEqual([401, 403])
  })

  test('a session is forgotten after a quarter of an hour', async () => {
    const path = `${v3}/register`
    const body = { username: 'late', password: TEST_PASSWORD }
    const asked = await server.call('POST', path, { body })
    const soon = server.app.clock.now() + 15 * 60_000
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    const late = await server.call('POST', path, {
      body: { ...body, auth: { type: 'm.login.dummy', session: asked.body.session } },
    })
    clock.mockRestore()
    expect([late.status, late.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })
})
