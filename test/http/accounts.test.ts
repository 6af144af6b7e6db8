import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'

eachServer({}, (server) => {
  test('an account registers and is told who it is', async () => {
    const alice = await server.register('alice')
    const who = await server.call('GET', `${v3}/account/whoami`, { token: alice.token })
    expect(who.body).toEqual({ user_id: '@alice:test.example', device_id: alice.deviceId, is_guest: false })
    const again = await server.call('POST', `${v3}/register`, { body: { username: 'alice', password: TEST_PASSWORD } })
    expect([again.status, again.body.errcode]).toEqual([400, 'M_USER_IN_USE'])
  })

  test('of two registrations of one name at once, one succeeds', async () => {
    const both = await Promise.allSettled([server.register('twin'), server.register('twin')])
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('a login by localpart or user id works, and a wrong password does not', async () => {
    await server.register('bob')
    for (const user of ['bob', 'BOB', '@bob:test.example']) {
      const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: TEST_PASSWORD }
      const reply = await server.call('POST', `${v3}/login`, { body })
      expect([reply.status, reply.body.user_id]).toEqual([200, '@bob:test.example'])
    }
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password: 'wrong one' }
    const refused = await server.call('POST', `${v3}/login`, { body })
    expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })

  test('a logout ends the token', async () => {
    const { token } = await server.register('carol')
    expect((await server.call('POST', `${v3}/logout`, { token })).status).toBe(200)
    const after = await server.call('GET', `${v3}/account/whoami`, { token })
    expect([after.status, after.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN'])
  })

  test.each([
    ['GET', `${v3}/account/whoami`, undefined, 401, 'M_MISSING_TOKEN'],
    ['GET', '/_matrix/client/v3/nothing', undefined, 404, 'M_UNRECOGNIZED'],
    ['DELETE', `${v3}/account/whoami`, undefined, 405, 'M_UNRECOGNIZED'],
    ['POST', `${v3}/login`, '{', 400, 'M_NOT_JSON'],
    ['POST', `${v3}/login`, '{"type": 1.5}', 400, 'M_BAD_JSON'],
  ])('%s %s with body %s answers %i %s', async (method, path, raw, status, errcode) => {
    const reply = await server.call(method, path, raw === undefined ? {} : { raw })
    expect([reply.status, reply.body.errcode]).toEqual([status, errcode])
    expect(reply.headers.get('Access-Control-Allow-Origin')).toBe('*')
  })

  test('a name is asked for before it is taken', async () => {
    const path = `${v3}/register/available?username=`
    expect((await server.call('GET', `${path}dora`)).body).toEqual({ available: true })
    await server.register('dora')
    expect((await server.call('GET', `${path}dora`)).body.errcode).toBe('M_USER_IN_USE')
    expect((await server.call('GET', `${path}%C3%A9`)).body.errcode).toBe('M_INVALID_USERNAME')
  })

  test('a logout everywhere ends all sessions', async () => {
    const eve = await server.register('eve')
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'eve' }, password: TEST_PASSWORD }
    const phone = await server.call('POST', `${v3}/login`, { body })
    expect((await server.call('POST', `${v3}/logout/all`, { token: eve.token })).status).toBe(200)
    for (const token of [eve.token, String(phone.body.access_token)]) {
      expect((await server.call('GET', `${v3}/account/whoami`, { token })).status).toBe(401)
    }
  })

  test('clients learn what is offered', async () => {
    const fred = await server.register('fred')
    expect((await server.call('GET', '/_matrix/client/versions')).body.versions).toContain('v1.1')
    expect((await server.call('GET', `${v3}/login`)).body.flows).toContainEqual({ type: 'm.login.password' })
    const { capabilities } = (await server.call('GET', `${v3}/capabilities`, { token: fred.token })).body
    expect(capabilities).toMatchObject({ 'm.room_versions': { default: '12' }, 'm.change_password': { enabled: true } })
  })

  test.each([
    ['Upper', 200],
    ['a'.repeat(255 - '@:test.example'.length), 200],
    ['a'.repeat(256 - '@:test.example'.length), 400],
    ['\u212aelvin', 400],
    ['a b', 400],
    ['a:b', 400],
    ['', 400],
  ])('the user name %j is answered with %i', async (username, status) => {
    const body = { username, password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
    const reply = await server.call('POST', `${v3}/register`, { body })
    expect([reply.status, reply.body.errcode]).toEqual([status, status === 200 ? undefined : 'M_INVALID_USERNAME'])
    if (status === 200) expect(reply.body.user_id).toBe(`@${username.toLowerCase()}:test.example`)
  })
})
