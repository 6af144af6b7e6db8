import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Browser, openBrowser, type Page } from '../helpers/browser.ts'
import { crossSigningOf } from '../helpers/device-keys.ts'
import { eachServer } from '../helpers/each-server.ts'
import * as idp from '../helpers/identity-providers.ts'
import * as oauth from '../helpers/oauth.ts'
import { startTestServer, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
const ACCOUNT = `${oauth.OAUTH}/account`
const UPLOAD = `${V3}/keys/device_signing/upload`

const started: { company: idp.TestProvider } = {} as never
beforeAll(async () => {
  started.company = await idp.startOpenIdProvider({ 1: { preferred_username: 'oda' } })
})
afterAll(() => started.company.stop())

function config() {
  const { id: client_id, secret: client_secret } = idp.CLIENT
  const company = { id: 'company', name: 'The company', issuer: started.company.root, client_id, client_secret }
  return { oauth: { enabled: true }, sso: { providers: [company] } }
}

/** Logs in to the account management, for an action. */
async function enter(server: TestServer, browser: Browser, user: string, query: Record<string, string>): Promise<Page> {
  const login = await browser.open(`${server.url}${ACCOUNT}?${new URLSearchParams(query)}`)
  return oauth.submit(browser, login, { user, password: TEST_PASSWORD })
}

eachServer(config, (server) => {
  const whoami = async (token: string) => (await server.call('GET', `${V3}/account/whoami`, { token })).status

  test('the metadata leads there, and every action that it names has a page', async () => {
    await server.register('alice')
    const { body } = await server.call('GET', '/_matrix/client/v1/auth_metadata')
    expect(body.account_management_uri).toBe(`${server.url}${ACCOUNT}`)
    const actions = body.account_management_actions_supported as string[]
    const waiting = { uia: 'x' }
    const titles = new Map<string, string>()
    for (const action of actions) {
      const page = await enter(server, openBrowser(), 'alice', { action, device_id: 'none', ...waiting })
      expect([action, page.status]).toEqual([action, 200])
      titles.set(action, /<h1>([^<]*)/.exec(page.html)?.[1] ?? '')
    }
    expect(new Set(titles.values())).toEqual(
      new Set(['Your devices', 'Close your account', 'Reset your digital identity?']),
    )
  })

  test('a user sees their devices and signs one out', async () => {
    const legacy = await server.register('bob')
    const phone = await oauth.enterByOAuth(server, 'bob', {
      scope: 'urn:matrix:client:api:* urn:matrix:client:device:PHONE',
    })
    const browser = openBrowser()
    const list = await enter(server, browser, 'bob', { action: 'org.matrix.devices_list' })
    expect([list.html.includes('An &lt;app&gt;'), list.html.includes(legacy.deviceId)]).toEqual([true, true])
    const link = list.links.find((one) => one.includes('device_id=PHONE')) ?? ''
    expect((await openBrowser().open(link)).status).toBe(403)
    const device = await browser.open(link)
    expect((await oauth.submit(openBrowser(), device, { deed: 'delete' })).status).toBe(403)
    expect(await whoami(phone.access_token)).toBe(200)
    const left = await oauth.submit(browser, device, { deed: 'delete' })
    expect([left.status, left.html.includes('PHONE')]).toEqual([200, false])
    expect([await whoami(phone.access_token), await whoami(legacy.token)]).toEqual([401, 200])
    const end = { action: 'org.matrix.session_end', device_id: legacy.deviceId }
    expect((await enter(server, openBrowser(), 'bob', end)).html).toContain('Sign this device out')
  })

  test('nobody signs out the devices of others', async () => {
    const victim = await server.register('carol')
    await server.register('mallory')
    const browser = openBrowser()
    const view = { action: 'org.matrix.device_delete', device_id: victim.deviceId }
    const page = await enter(server, browser, 'mallory', view)
    expect(page.html).not.toContain(victim.deviceId)
    const session = new URL(page.links[0] ?? '').searchParams.get('session') ?? ''
    const form = { session, deed: 'delete', device_id: victim.deviceId }
    await browser.open(`${server.url}${ACCOUNT}/do`, { form })
    expect(await whoami(victim.token)).toBe(200)
  })

  test('a wrong password does not let in', async () => {
    await server.register('dave')
    const browser = openBrowser()
    const login = await browser.open(`${server.url}${ACCOUNT}`)
    const again = await oauth.submit(browser, login, { user: 'dave', password: 'wrong' })
    expect([again.status, again.html.includes('role="alert"')]).toEqual([403, true])
    expect((await oauth.submit(openBrowser(), again, { user: 'dave', password: TEST_PASSWORD })).status).toBe(403)
    expect((await oauth.submit(browser, again, { user: 'dave', password: TEST_PASSWORD })).status).toBe(200)
  })

  test('who logs in elsewhere comes in through the provider', async () => {
    started.company.user = '1'
    const browser = openBrowser()
    const client = oauth.oauthClient(server)
    const first = await browser.open(client.request(await client.register()).url)
    await browser.open(first.links.find((one) => one.includes('/sso/company')) ?? '')
    const login = await browser.open(`${server.url}${ACCOUNT}`)
    const page = await browser.open(login.links.find((one) => one.includes('/sso/company')) ?? '')
    expect([page.status, page.html.includes('@oda:test.example')]).toEqual([200, true])
  })

  test('a user closes their account, and only when they say that they want to', async () => {
    const eve = await server.register('eve')
    const browser = openBrowser()
    const page = await enter(server, browser, 'eve', { action: 'org.matrix.account_deactivate' })
    expect((await oauth.submit(browser, page, { deed: 'deactivate' })).status).toBe(400)
    expect(await whoami(eve.token)).toBe(200)
    const done = await oauth.submit(browser, page, { deed: 'deactivate', sure: 'on' })
    expect([done.status, await whoami(eve.token)]).toEqual([200, 401])
    const again = await enter(server, openBrowser(), 'eve', {})
    expect([again.status, again.html.includes('deactivated')]).toEqual([403, true])
  })

  test('a user changes the password, and pages that were open are closed', async () => {
    const frank = await server.register('frank')
    const [browser, other] = [openBrowser(), openBrowser()]
    const open = await enter(server, other, 'frank', {})
    const list = await enter(server, browser, 'frank', {})
    const page = await browser.open(list.links.find((one) => one.includes('action=password')) ?? '')
    const wish = { deed: 'password', password: 'a new long one', repeated: 'a new long one', everywhere: 'on' }
    expect((await oauth.submit(browser, page, { ...wish, repeated: 'x' })).status).toBe(400)
    expect((await oauth.submit(browser, page, wish)).status).toBe(200)
    expect(await whoami(frank.token)).toBe(401)
    expect((await other.open(open.links[0] ?? '')).status).toBe(403)
    expect((await enter(server, openBrowser(), 'frank', {})).status).toBe(403)
  })

  describe('a client of OAuth 2.0', () => {
    test('cannot do what takes a confirmation by the user, and hears so', async () => {
      const legacy = await server.register('gina')
      const { access_token: token } = await oauth.enterByOAuth(server, 'gina')
      const auth = {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'gina' },
        password: TEST_PASSWORD,
      }
      const calls = [
        ['DELETE', `/devices/${legacy.deviceId}`, { auth }],
        ['POST', '/delete_devices', { devices: [legacy.deviceId], auth }],
        ['POST', '/account/password', { new_password: 'another good one', auth }],
        ['POST', '/account/deactivate', { auth }],
      ] as const
      for (const [method, path, body] of calls) {
        const reply = await server.call(method, `${V3}${path}`, { token, body })
        expect([path, reply.status, reply.body.errcode]).toEqual([path, 403, 'M_FORBIDDEN'])
      }
      const loginToken = await server.call('POST', '/_matrix/client/v1/login/get_token', { token, body: { auth } })
      expect([loginToken.status, loginToken.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      expect(await whoami(legacy.token)).toBe(200)
      const { capabilities } = (await server.call('GET', `${V3}/capabilities`, { token })).body
      for (const name of ['m.change_password', 'm.3pid_changes', 'm.get_login_token'])
        expect(capabilities).toMatchObject({ [name]: { enabled: false } })
      expect((await server.call('POST', `${V3}/logout`, { token, body: {} })).status).toBe(200)
    })

    test.each(['m.oauth', 'org.matrix.cross_signing_reset'])(
      'replaces cross-signing keys once the user has approved, by %s',
      async (stage) => {
        const name = `hanna-${stage.replaceAll('.', '-').toLowerCase()}`
        const { userId } = await server.register(name)
        await server.register(`thief-${name}`)
        const { access_token: token } = await oauth.enterByOAuth(server, name)
        const upload = (body: object) => server.call('POST', UPLOAD, { token, body })
        expect((await upload(crossSigningOf(userId).upload)).status).toBe(200)
        const next = crossSigningOf(userId).upload
        const asked = await upload(next)
        const { session, params, flows } = asked.body as {
          session: string
          params: Record<string, { url: string }>
          flows: unknown
        }
        expect([asked.status, flows]).toEqual([
          401,
          [{ stages: ['m.oauth'] }, { stages: ['org.matrix.cross_signing_reset'] }],
        ])
        const url = params[stage]?.url ?? ''
        for (const auth of [{ session }, { session, type: stage }, { session, type: 'm.login.dummy' }])
          expect((await upload({ ...next, auth })).status).toBe(401)
        const password = { identifier: { type: 'm.id.user', user: name }, password: TEST_PASSWORD }
        expect((await upload({ ...next, auth: { session, type: 'm.login.password', ...password } })).status).toBe(401)
        expect((await fetch(`${server.url}${V3}/auth/${stage}/fallback/web?session=${session}`)).status).toBe(404)

        const query = Object.fromEntries(new URL(url).searchParams)
        const theirs = openBrowser()
        const forged = await enter(server, theirs, `thief-${name}`, query)
        expect((await oauth.submit(theirs, forged, { deed: 'reset' })).status).toBe(403)
        expect((await upload({ ...next, auth: { session } })).status).toBe(401)

        const browser = openBrowser()
        const page = await enter(server, browser, name, query)
        expect((await oauth.submit(browser, page, { deed: 'reset' })).status).toBe(200)
        expect((await upload({ ...crossSigningOf(userId).upload, auth: { session } })).status).toBe(403)
        const type = stage === 'm.oauth' ? {} : { type: stage }
        expect((await upload({ ...next, auth: { session, ...type } })).status).toBe(200)
        const after = await upload({ ...crossSigningOf(userId).upload, auth: { session } })
        expect(after.status).toBe(403)
      },
    )

    test('asks all the time, without a session, until the user has approved these keys for this device', async () => {
      const { userId } = await server.register('kira')
      const [phone, tablet] = [await oauth.enterByOAuth(server, 'kira'), await oauth.enterByOAuth(server, 'kira')]
      const upload = (token: string, body: object) => server.call('POST', UPLOAD, { token, body })
      await upload(phone.access_token, crossSigningOf(userId).upload)
      const [next, others] = [crossSigningOf(userId).upload, crossSigningOf(userId).upload]
      const asked = await Promise.all([1, 2, 3, 4].map(() => upload(phone.access_token, next)))
      // With an errcode, matrix-rust-sdk gives up.
      for (const { status, body } of asked)
        expect([status, body.errcode, body.error, body.session]).toEqual([
          401,
          undefined,
          undefined,
          asked[0]?.body.session,
        ])
      await upload(tablet.access_token, next)
      await upload(phone.access_token, others)
      const { params } = asked[0]!.body as unknown as { params: { 'm.oauth': { url: string } } }
      const browser = openBrowser()
      const page = await enter(server, browser, 'kira', Object.fromEntries(new URL(params['m.oauth'].url).searchParams))
      expect((await oauth.submit(browser, page, { deed: 'reset' })).status).toBe(200)
      expect((await upload(tablet.access_token, next)).status).toBe(401)
      expect((await upload(phone.access_token, others)).status).toBe(401)
      expect((await upload(phone.access_token, next)).status).toBe(200)
      await upload(phone.access_token, crossSigningOf(userId).upload)
      expect((await upload(phone.access_token, next)).status).toBe(200)
      expect((await upload(phone.access_token, others)).status).toBe(401)
    })

    test('approves nothing else with that page', async () => {
      const ivo = await server.register('ivo')
      const asked = await server.call('POST', `${V3}/delete_devices`, { token: ivo.token, body: { devices: ['x'] } })
      const query = { action: 'org.matrix.cross_signing_reset', uia: String(asked.body.session) }
      const browser = openBrowser()
      const page = await enter(server, browser, 'ivo', query)
      expect((await oauth.submit(browser, page, { deed: 'reset' })).status).toBe(403)
      const bare = await enter(server, openBrowser(), 'ivo', { action: 'org.matrix.cross_signing_reset' })
      expect([bare.status, bare.html.includes('Begin this in your client')]).toEqual([403, true])
    })
  })
})

test('a client that asks all the time does not keep the user from the page', async () => {
  const clientApi = { oauth: { enabled: true }, rate_limiting: { enabled: true, threshold: 15, cooloff_ms: 60_000 } }
  const busy = await startTestServer(clientApi)
  try {
    const { userId } = await busy.register('lars')
    const { access_token: token } = await oauth.enterByOAuth(busy, 'lars')
    const upload = async (body: object) => (await busy.call('POST', UPLOAD, { token, body })).status
    await upload(crossSigningOf(userId).upload)
    const next = crossSigningOf(userId).upload
    const statuses: number[] = []
    for (let n = 0; n < 20; n++) statuses.push(await upload(next))
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429])
    expect((await enter(busy, openBrowser(), 'lars', {})).html).toContain(userId)
  } finally {
    await busy.stop()
  }
})
