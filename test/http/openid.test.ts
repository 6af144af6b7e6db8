import { expect, test, vi } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'

const HOUR_MS = 3_600_000
const userinfo = '/_matrix/federation/v1/openid/userinfo'

eachServer({}, (server) => {
  test('whoever holds an OpenID token learns the user, and can do nothing else', async () => {
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const path = `/_matrix/client/v3/user/${encodeURIComponent(alice.userId)}/openid/request_token`
    expect((await server.call('POST', path, { token: bob.token, body: {} })).body.errcode).toBe('M_FORBIDDEN')
    const { body } = await server.call('POST', path, { token: alice.token, body: {} })
    expect(body).toMatchObject({ token_type: 'Bearer', matrix_server_name: 'test.example', expires_in: 3600 })
    const token = String(body.access_token)
    expect((await server.call('GET', `${userinfo}?access_token=${token}`)).body).toEqual({ sub: alice.userId })
    expect((await server.call('GET', '/_matrix/client/v3/account/whoami', { token })).status).toBe(401)
    expect((await server.call('GET', userinfo)).body.errcode).toBe('M_MISSING_TOKEN')

    const soon = server.app.clock.now() + HOUR_MS
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    const late = await server.call('GET', `${userinfo}?access_token=${token}`)
    clock.mockRestore()
    expect([late.status, late.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN'])
  })

  test('users see their own devices at whois, and nobody else’s', async () => {
    const [carol, dave] = [await server.register('carol'), await server.register('dave')]
    const path = `/_matrix/client/v3/admin/whois/${encodeURIComponent(carol.userId)}`
    const own = await server.call('GET', path, { token: carol.token })
    expect(own.body).toMatchObject({ user_id: carol.userId, devices: { [carol.deviceId]: { sessions: [{}] } } })
    expect((await server.call('GET', path, { token: dave.token })).body.errcode).toBe('M_FORBIDDEN')
  })
})
