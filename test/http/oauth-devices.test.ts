import { expect, test, vi } from 'vitest'
import { forgetOldRows } from '../../src/actions/forget-old-rows.ts'
import { write } from '../../src/actions/write.ts'
import { sql } from '../../src/db/sql.ts'
import { insertDeviceCode } from '../../src/store/oauth-devices.ts'
import { type Browser, openBrowser, type Page } from '../helpers/browser.ts'
import { eachServer } from '../helpers/each-server.ts'
import { sdk } from '../helpers/js-sdk.ts'
import * as oauth from '../helpers/oauth.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
const { DEVICE_GRANT } = oauth
const SCOPE = 'urn:matrix:client:api:* urn:matrix:client:device:'
const POLL_MS = 5_000

eachServer({ oauth: { enabled: true } }, (server) => {
  const client = oauth.oauthClient(server)
  const whoami = (token: unknown) => server.call('GET', `${V3}/account/whoami`, { token: String(token) })
  const registered = (more: object = {}) => client.register({ grant_types: [DEVICE_GRANT], redirect_uris: [], ...more })

  /** A device that waits: what it shows, and how it asks. */
  async function waiting(name: string) {
    const clientId = await registered()
    const { status, body } = await client.post('/device', { client_id: clientId, scope: `${SCOPE}${name}` })
    expect(status).toBe(200)
    const wish = { grant_type: DEVICE_GRANT, client_id: clientId, device_code: String(body.device_code) }
    const ask = async (more: Record<string, string> = {}) => {
      const reply = await client.post('/token', { ...wish, ...more })
      return { error: [reply.status, reply.body.error], tokens: reply.body }
    }
    return {
      code: wish.device_code,
      userCode: String(body.user_code),
      link: String(body.verification_uri_complete),
      ask,
    }
  }

  /** As far as the question whether the device may. */
  async function question(browser: Browser, link: string, user: string): Promise<Page> {
    const login = await oauth.submit(browser, await browser.open(link), { user_code: codeIn(link) })
    return oauth.submit(browser, login, { user, password: TEST_PASSWORD })
  }
  const codeIn = (link: string) => new URL(link).searchParams.get('user_code') ?? ''

  test('matrix-js-sdk links a device that has no browser', async () => {
    await server.register('alice')
    const { createClient } = await sdk()
    const { OAuth2 } = await import('matrix-js-sdk/lib/oauth/index.js')
    const metadata = await createClient({ baseUrl: server.url }).getAuthMetadata()
    const { client_name, client_uri } = oauth.CLIENT_METADATA
    const redirect_uris: [string] = ['https://app.client.example/callback']
    const clientId = await OAuth2.registerClient(metadata, { client_name, client_uri, redirect_uris })
    const device = new OAuth2(metadata, { clientId, deviceId: 'TV' })
    const session = await device.startDeviceAuthorizationGrant()
    expect(session).toMatchObject({ expires_in: 900, interval: 5, user_code: expect.stringMatching(/^\w{4}-\w{4}$/) })
    const browser = openBrowser()
    const consent = await question(browser, session.verification_uri_complete ?? '', 'alice')
    expect(consent.html).toContain(session.user_code)
    expect((await oauth.submit(browser, consent, { answer: 'allow' })).html).toContain('Go back to your device')
    const tokens = await device.waitForDeviceAuthorizationGrant(session)
    if (!('access_token' in tokens)) throw new Error(tokens.error)
    expect((await whoami(tokens.access_token)).body).toMatchObject({ user_id: '@alice:test.example', device_id: 'TV' })
    const next = await device.performRefreshTokenGrant(tokens.refresh_token ?? '')
    expect((await whoami(next.access_token)).status).toBe(200)
  })

  test('a device waits, not too impatiently, and hears yes or no', async () => {
    await server.register('bob')
    const [good, bad] = [await waiting('A'), await waiting('B')]
    expect((await good.ask()).error).toEqual([400, 'authorization_pending'])
    expect((await good.ask()).error).toEqual([400, 'slow_down'])
    const soon = server.app.clock.now() + POLL_MS
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    expect((await good.ask()).error).toEqual([400, 'authorization_pending'])
    clock.mockRestore()
    for (const [device, answer] of [
      [good, 'allow'],
      [bad, 'deny'],
    ] as const) {
      const browser = openBrowser()
      await oauth.submit(browser, await question(browser, device.link, 'bob'), { answer })
    }
    expect((await bad.ask()).error).toEqual([400, 'access_denied'])
    const other = await registered({ client_name: 'Another' })
    expect((await good.ask({ client_id: other })).error).toEqual([400, 'invalid_grant'])
    expect((await good.ask({ device_code: 'x' })).error).toEqual([400, 'invalid_grant'])
    const { tokens } = await good.ask()
    expect((await whoami(tokens.access_token)).body.device_id).toBe('A')
    expect((await good.ask()).error).toEqual([400, 'invalid_grant'])
    expect((await whoami(tokens.access_token)).status).toBe(401)
  })

  test('a code that is shown is answered once, by who saw the question, within a quarter of an hour', async () => {
    await server.register('carol')
    const device = await waiting('C')
    const [browser, late] = [openBrowser(), openBrowser()]
    const consent = await question(browser, device.link, 'carol')
    const second = await question(late, device.link, 'carol')
    expect((await oauth.submit(openBrowser(), consent, { answer: 'allow' })).status).toBe(403)
    expect((await device.ask()).error).toEqual([400, 'authorization_pending'])
    expect((await oauth.submit(browser, consent, { answer: 'deny' })).status).toBe(200)
    expect((await oauth.submit(late, second, { answer: 'allow' })).status).toBe(403)
    const page = await browser.open(device.link)
    expect((await oauth.submit(browser, page, { user_code: device.userCode })).status).toBe(403)
    expect((await device.ask()).error).toEqual([400, 'access_denied'])

    const old = await waiting('D')
    const soon = server.app.clock.now() + 15 * 60_000
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    expect((await old.ask()).error).toEqual([400, 'expired_token'])
    expect((await oauth.submit(browser, page, { user_code: old.userCode })).status).toBe(403)
    await forgetOldRows(server.app)
    expect((await old.ask()).error).toEqual([400, 'invalid_grant'])
    clock.mockRestore()
  })

  test('a link alone does nothing, and what is in it is no part of the page', async () => {
    const browser = openBrowser()
    const link = `${server.url}${oauth.OAUTH}/link`
    const page = await browser.open(`${link}?${new URLSearchParams({ user_code: '"><script>x</script>' })}`)
    expect([page.status, page.html.includes('<script>x')]).toEqual([200, false])
    const wrong = await oauth.submit(browser, page, { user_code: 'BBBB-BBBB' })
    expect([wrong.status, wrong.html.includes('role="alert"')]).toEqual([403, true])
  })

  test('a new password takes back what was agreed to', async () => {
    const account = await server.register('dora')
    const device = await waiting('E')
    const browser = openBrowser()
    await oauth.submit(browser, await question(browser, device.link, 'dora'), { answer: 'allow' })
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'dora' }, password: TEST_PASSWORD }
    const body = { new_password: 'another good one', auth }
    expect((await server.call('POST', `${V3}/account/password`, { token: account.token, body })).status).toBe(200)
    expect((await device.ask()).error).toEqual([400, 'invalid_grant'])
  })

  test('a device code is no authorization code', async () => {
    await server.register('emil')
    const device = await waiting('F')
    const browser = openBrowser()
    await oauth.submit(browser, await question(browser, device.link, 'emil'), { answer: 'allow' })
    const more = { grant_type: 'authorization_code', redirect_uri: '', code_verifier: 'x'.repeat(43) }
    expect((await device.ask({ ...more, code: device.code })).error).toEqual([400, 'invalid_grant'])
    expect((await device.ask()).error).toEqual([200, undefined])
  })

  test('a client asks for what it registered with, and for one device', async () => {
    const byBrowser = await client.register()
    const asked = async (form: Record<string, string>) => {
      const { status, body } = await client.post('/device', form)
      return [status, body.error]
    }
    expect(await asked({ client_id: byBrowser, scope: `${SCOPE}X` })).toEqual([400, 'unauthorized_client'])
    expect(await asked({ client_id: 'unknown', scope: `${SCOPE}X` })).toEqual([401, 'invalid_client'])
    expect(await asked({ client_id: await registered(), scope: 'openid' })).toEqual([400, 'invalid_scope'])
    expect(await asked({ scope: `${SCOPE}X` })).toEqual([400, 'invalid_request'])
  })

  test('of those that wait the oldest are forgotten when there are too many', async () => {
    for (let n = 0; n < 20; n++) {
      const [code_hash, user_code] = [new Uint8Array([n]), `code-${n}`]
      const row = {
        code_hash,
        user_code,
        client_id: 'c',
        device_id: 'd',
        scope: 's',
        polled_ts: 0,
        expires_ts: 1e15 + n,
      }
      await write(server.app, { guards: [], writes: insertDeviceCode(row, 5), log: [] })
    }
    const rows = await server.app.db.read<{ user_code: string }>(sql`SELECT user_code FROM oauth_device_codes`)
    const left = ['code-15', 'code-16', 'code-17', 'code-18', 'code-19']
    expect(rows.map(({ user_code }) => user_code).sort()).toEqual(left)
  })
})
