import { expect, test, vi } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const HOUR_MS = 3_600_000

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in_ms: number
  readonly device_id?: string
}

eachServer({}, (server) => {
  async function logIn(name: string): Promise<Tokens> {
    await server.register(name)
    const identifier = { type: 'm.id.user', user: name }
    const body = { type: 'm.login.password', identifier, password: TEST_PASSWORD, refresh_token: true }
    return (await server.call('POST', `${v3}/login`, { body })).body as unknown as Tokens
  }

  const ask = (token: string) => server.call('POST', `${v3}/refresh`, { body: { refresh_token: token } })
  const refresh = async (token: string) => (await ask(token)).body as unknown as Tokens
  const whoami = (token: string) => server.call('GET', `${v3}/account/whoami`, { token })

  test('tokens that can be refreshed expire, and the client stays on the same device', async () => {
    const first = await logIn('alice')
    expect(first.expires_in_ms).toBe(HOUR_MS)
    const names = { app_id: 'app', app_display_name: 'App', device_display_name: 'Phone', lang: 'en' }
    const data = { url: 'https://push.example/_matrix/push/v1/notify' }
    const body = { ...names, kind: 'http', pushkey: 'k', data }
    await server.call('POST', `${v3}/pushers/set`, { token: first.access_token, body })
    const soon = server.app.clock.now() + HOUR_MS
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    const expired = await whoami(first.access_token)
    expect([expired.status, expired.body.errcode, expired.body.soft_logout]).toEqual([401, 'M_UNKNOWN_TOKEN', true])
    const second = await refresh(first.refresh_token)
    expect((await whoami(second.access_token)).body.device_id).toBe(first.device_id)
    expect((await server.call('GET', `${v3}/pushers`, { token: second.access_token })).body.pushers).toHaveLength(1)
    clock.mockRestore()
  })

  test('without the wish no token can be refreshed or expires', async () => {
    const { body } = await server.call('POST', `${v3}/register`, {
      body: { username: 'bob', password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } },
    })
    expect([body.refresh_token, body.expires_in_ms]).toEqual([undefined, undefined])
    const wished = await server.call('POST', `${v3}/register`, {
      body: { username: 'bobby', password: TEST_PASSWORD, refresh_token: true, auth: { type: 'm.login.dummy' } },
    })
    expect(wished.body.refresh_token).toEqual(expect.any(String))
  })

  test('an answer that was lost can be asked for again until its tokens are used', async () => {
    const first = await logIn('carol')
    const lost = await refresh(first.refresh_token)
    expect((await whoami(first.access_token)).status).toBe(200)
    const second = await refresh(first.refresh_token)
    expect((await whoami(lost.access_token)).status).toBe(401)
    expect((await whoami(second.access_token)).status).toBe(200)
    const old = await whoami(first.access_token)
    expect([old.status, old.body.soft_logout]).toEqual([401, true])
  })

  test.each(['access', 'refresh'])('a refresh token that is spent, by %s, ends its family', async (use) => {
    const first = await logIn(`dave-${use}`)
    const second = await refresh(first.refresh_token)
    const newest = use === 'access' ? second : await refresh(second.refresh_token)
    expect((await whoami(newest.access_token)).status).toBe(200)
    const again = await ask(first.refresh_token)
    expect([again.status, again.body.errcode, again.body.soft_logout]).toEqual([401, 'M_UNKNOWN_TOKEN', true])
    const ended = await whoami(newest.access_token)
    expect([ended.status, ended.body.soft_logout]).toEqual([401, true])
    expect((await ask(newest.refresh_token)).status).toBe(401)
  })

  test('of many refreshes at once one counts in the end', async () => {
    const first = await logIn('erin')
    const many = await Promise.all(Array.from({ length: 8 }, () => refresh(first.refresh_token)))
    const good: Tokens[] = []
    for (const tokens of many) if ((await whoami(tokens.access_token)).status === 200) good.push(tokens)
    expect(good).toHaveLength(1)
    expect((await refresh(good[0]!.refresh_token)).access_token).toEqual(expect.any(String))
  })

  test('a logout ends the refresh token too, and an invented one is unknown', async () => {
    const { access_token: token, refresh_token: refreshToken } = await logIn('frank')
    await server.call('POST', `${v3}/logout`, { token })
    for (const one of [refreshToken, 'invented']) {
      const refused = await ask(one)
      expect([refused.status, refused.body.errcode, refused.body.soft_logout]).toEqual([
        401,
        'M_UNKNOWN_TOKEN',
        undefined,
      ])
    }
    expect((await server.call('POST', `${v3}/refresh`, { body: {} })).body.errcode).toBe('M_MISSING_PARAM')
  })
})
