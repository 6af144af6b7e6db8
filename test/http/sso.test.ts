import { generateKeyPairSync } from 'node:crypto'
import { exportJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { configFrom } from '../../src/config/load.ts'
import { sql } from '../../src/db/sql.ts'
import { openBrowser, type Page } from '../helpers/browser.ts'
import { eachServer } from '../helpers/each-server.ts'
import * as idp from '../helpers/identity-providers.ts'
import type { TestServer } from '../helpers/server.ts'
import { enter, enterAsAdmin, type Session, sessionOf } from '../helpers/session.ts'

const V3 = '/_matrix/client/v3'
const CLIENT_URL = 'https://client.example/app?x=1&loginToken=old'
const TRUSTED_URL = 'https://trusted.example/app/index.html'

const PEOPLE: idp.People = {
  1: { preferred_username: 'Ann Á', name: 'Ann' },
  2: { preferred_username: 'taken', name: 'Second of the name' },
  3: { name: 'Nobody says how I am called' },
  4: { preferred_username: 'bob' },
  5: { preferred_username: 'stranger' },
  6: { preferred_username: 'confirming' },
  7: { preferred_username: 'other' },
  8: { preferred_username: 'locked' },
}

const openId = (id: string, issuer: string, more = {}) => ({
  id,
  name: `The ${id}`,
  issuer,
  client_id: idp.CLIENT.id,
  client_secret: idp.CLIENT.secret,
  ...more,
})

function entrance(server: TestServer, provider: string, redirectUrl = CLIENT_URL): string {
  const path = provider === '' ? '' : `/${provider}`
  return `${server.url}${V3}/login/sso/redirect${path}?${new URLSearchParams({ redirectUrl })}`
}

/** Logs in with the token that the client was given. */
async function enterWith(server: TestServer, { url, status }: Page): Promise<Session> {
  expect([url, status]).toEqual([url, 0])
  const token = new URL(url).searchParams.getAll('loginToken')
  expect(token).toHaveLength(1)
  const reply = await server.call('POST', `${V3}/login`, { body: { type: 'm.login.token', token: token[0] } })
  expect([reply.status, reply.body.error]).toEqual([200, undefined])
  const { user_id: userId, access_token: accessToken, device_id: deviceId } = reply.body
  return sessionOf(server, { userId: String(userId), token: String(accessToken), deviceId: String(deviceId) })
}

const started: { company: idp.TestProvider; university: idp.TestProvider } = {} as never

beforeAll(async () => {
  started.company = await idp.startOpenIdProvider(PEOPLE)
  started.university = await idp.startCas('<cas:name>A &amp; B</cas:name><cas:name>C</cas:name>')
})
afterAll(async () => {
  await started.company.stop()
  await started.university.stop()
})

function config() {
  const { company, university } = started
  const providers = [
    openId('company', company.root, { brand: 'example' }),
    openId('strict', company.root, { enable_registration: false }),
    openId('linked', company.root, { allow_existing_users: true, user_info: true }),
    { id: 'university', name: 'The <university>', type: 'cas', issuer: `${university.root}/` },
  ]
  return { sso: { providers, client_whitelist: ['https://trusted.example/app'] }, get_login_token: { enabled: false } }
}

eachServer(config, (server) => {
  /** Goes through the provider as one of its people. */
  async function visit(provider: string, subject: number | string, redirectUrl?: string, browser = openBrowser()) {
    started.company.user = String(subject)
    started.university.user = String(subject)
    return browser.open(entrance(server, provider, redirectUrl))
  }

  test('the providers are offered to clients, and on a page to those that do not choose', async () => {
    const { flows } = (await server.call('GET', `${V3}/login`)).body as { flows: { type: string }[] }
    expect(flows.map(({ type }) => type)).toEqual(['m.login.password', 'm.login.sso', 'm.login.token'])
    expect(flows[1]).toMatchObject({
      identity_providers: [
        { id: 'company', name: 'The company', brand: 'example' },
        { id: 'strict' },
        { id: 'linked' },
        { id: 'university' },
      ],
    })
    const browser = openBrowser()
    const page = await browser.open(entrance(server, ''))
    expect(page.html).toContain('The &lt;university&gt;')
    started.company.user = '1'
    expect((await browser.open(page.links[0]!)).html).toContain('@ann=20=c3=81:test.example')
    expect((await browser.open(entrance(server, 'unknown'))).status).toBe(404)
    const typed = await server.call('POST', `${V3}/login`, { body: { type: 'm.login.sso', token: 'x' } })
    expect(typed.body.errcode).toBe('M_UNKNOWN')
  })

  test('a user comes through OpenID Connect, sees the client, and goes to it with a token, once', async () => {
    const browser = openBrowser()
    const page = await visit('company', 1, CLIENT_URL, browser)
    expect(page.status).toBe(200)
    expect(page.html).toContain('client.example')
    expect(page.headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
    const waiting = await server.app.db.read(sql`SELECT data FROM sso_sessions`)
    expect(JSON.stringify(waiting)).not.toContain('client.example')

    const other = await openBrowser().open(page.links[0]!)
    expect(other.status).toBe(403)
    const ann = await enterWith(server, await browser.open(page.links[0]!))
    expect(ann.userId).toBe('@ann=20=c3=81:test.example')
    expect((await ann.get(`/profile/${ann.userId}/displayname`)).displayname).toBe('Ann')
    expect((await browser.open(page.links[0]!)).status).toBe(403)
    expect((await enterWith(server, await visit('company', 1, TRUSTED_URL))).userId).toBe(ann.userId)
  })

  test('S42: only a client of the list gets the token unasked, and only what is a place gets any', async () => {
    const asked = [
      'https://trusted.example.evil.example/app',
      'https://trusted.example@evil.example/app',
      'https://trusted.example/application',
      'https://trusted.example:444/app',
      'http://trusted.example/app',
      'app.example://trusted.example/app',
    ]
    for (const url of asked) expect([url, (await visit('company', 1, url)).status]).toEqual([url, 200])
    for (const url of ['https://trusted.example/app', `${server.url}/_matrix/static/client/login/`]) {
      expect(await visit('company', 1, url).then((page) => page.url)).toContain('loginToken=')
    }
    for (const url of ['javascript:alert(1)', 'data:text/html,x', 'nonsense', '']) {
      expect([url, (await visit('company', 1, url)).status]).toEqual([url, 400])
    }
    const hostile = await visit('company', 1, 'x-app:"><script>alert(1)</script>')
    expect(hostile.html).not.toContain('<script>alert')
  })

  test('who cannot have the name of elsewhere chooses one', async () => {
    await enter(server, 'taken')
    for (const subject of [2, 3]) {
      const browser = openBrowser()
      const form = await visit('company', subject, TRUSTED_URL, browser)
      const session = /name="session" value="([^"]+)"/.exec(form.html)![1]!
      const choose = (username: string, who = browser) =>
        who.open(`${server.url}/_dendrite/client/sso/name`, { form: { session, username } })
      expect((await choose('taken')).html).toContain('already exists')
      expect((await choose('not a name')).status).toBe(400)
      expect((await choose(`free${subject}`, openBrowser())).status).toBe(403)
      const entered = await enterWith(server, await choose(`Free${subject}`))
      expect(entered.userId).toBe(`@free${subject}:test.example`)
      expect((await choose('one-more')).status).toBe(403)
      expect((await enterWith(server, await visit('company', subject, TRUSTED_URL))).userId).toBe(entered.userId)
    }
  })

  test('a login comes back to the browser that began it, and once', async () => {
    started.company.user = '1'
    const browser = openBrowser()
    const { url } = await browser.open(entrance(server, 'company', TRUSTED_URL), { stopAt: '/sso/callback/' })
    expect(new URL(url).searchParams.has('code')).toBe(true)
    expect((await openBrowser().open(url)).status).toBe(403)
    const changed = new URL(url)
    changed.searchParams.set('state', 'invented')
    expect((await browser.open(changed.href)).status).toBe(403)
    await enterWith(server, await browser.open(url))
    expect((await browser.open(url)).status).toBe(403)
    // The answer that one provider gave is not taken for that of another.
    const second = await browser.open(entrance(server, 'company', TRUSTED_URL), { stopAt: '/sso/callback/' })
    expect((await browser.open(second.url.replace('callback/company', 'callback/linked'))).status).toBe(403)
    const third = await browser.open(entrance(server, 'company', TRUSTED_URL), { stopAt: '/sso/callback/' })
    const denied = new URL(third.url)
    denied.searchParams.delete('code')
    denied.searchParams.set('error', 'access_denied')
    expect((await browser.open(denied.href)).html).toContain('did not say who you are')
  })

  test('a provider may bring no new users, or those who are here already', async () => {
    expect((await visit('strict', 5, TRUSTED_URL)).status).toBe(403)
    const bob = await enter(server, 'bob')
    expect((await enterWith(server, await visit('linked', 4, TRUSTED_URL))).userId).toBe(bob.userId)
    const ids = await server.app.db.read(
      sql`SELECT provider, external_id FROM external_ids WHERE user_id = ${bob.userId}`,
    )
    expect(ids).toEqual([{ provider: 'linked', external_id: '4' }])
  })

  test('who is locked out stays out', async () => {
    const admin = await enterAsAdmin(server, 'root')
    const { userId } = await enterWith(server, await visit('company', 8, TRUSTED_URL))
    await admin.put(`/_matrix/client/v1/admin/lock/${userId}`, { locked: true })
    expect((await visit('company', 8, TRUSTED_URL)).html).toContain('This account is locked.')
  })

  test('a user comes through a Central Authentication Service', async () => {
    const page = await visit('university', 'Prof', TRUSTED_URL)
    const prof = await enterWith(server, page)
    expect(prof.userId).toBe('@prof:test.example')
    expect((await prof.get(`/profile/${prof.userId}/displayname`)).displayname).toBe('A & B')
    const browser = openBrowser()
    const { url } = await browser.open(entrance(server, 'university', TRUSTED_URL), { stopAt: '/sso/callback/' })
    const forged = new URL(url)
    forged.searchParams.set('ticket', 'ST-0')
    expect((await browser.open(forged.href)).status).toBe(403)
  })

  test('a user without a password confirms at the provider what takes one, as nobody else', async () => {
    const user = await enterWith(server, await visit('company', 6, TRUSTED_URL))
    const asked = await user.call('DELETE', `/devices/${user.deviceId}`, {})
    expect([asked.status, asked.body.flows]).toEqual([401, [{ stages: ['m.login.sso'] }]])
    const auth = { session: asked.body.session }
    const browser = openBrowser()
    const fallback = `${server.url}${V3}/auth/m.login.sso/fallback/web?session=${auth.session}`
    const page = await browser.open(fallback)
    for (const [subject, status] of [
      ['7', 403],
      ['6', 200],
    ] as const) {
      expect(await user.refusal('DELETE', `/devices/${user.deviceId}`, { auth })).toBe('401 M_UNAUTHORIZED')
      started.company.user = subject
      // The provider remembers whom it has logged in, each browser apart.
      const there = openBrowser()
      expect((await there.open(page.links[0]!)).status).toBe(status)
    }
    await user.call('DELETE', `/devices/${user.deviceId}`, { auth: { ...auth, type: 'm.login.sso' } })
    expect(await user.refusal('GET', '/account/whoami')).toBe('401 M_UNKNOWN_TOKEN')
  })
})

test('a provider that cannot work is refused with the configuration', () => {
  const global = { server_name: 'test.example' }
  const load =
    (...providers: object[]) =>
    () =>
      configFrom({ version: 2, global, client_api: { sso: { providers } } })
  const one = openId('one', 'https://idp.example')
  expect(load(one, { ...one, id: 'two', type: 'cas', client_id: '' })).not.toThrow()
  expect(load(one, one)).toThrow('client_api.sso.providers.1.id')
  expect(load({ ...one, client_id: '' })).toThrow('client_api.sso.providers.0.client_id')
  expect(load({ ...one, scopes: ['profile'] })).toThrow('client_api.sso.providers.0.scopes')
  expect(load({ ...one, issuer: 'idp.example' })).toThrow('client_api.sso.providers.0.issuer')
})

/** A provider that says what it likes: `lie` changes the claims, the header or the key of its ID token. */
async function startLiar() {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const others = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }
  let nonce = ''
  const liar = { lie: '', provider: undefined as unknown as idp.TestProvider }
  liar.provider = await idp.serve((root) => async (request, response) => {
    const url = new URL(request.url ?? '', root)
    const json = (body: object) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(body))
    if (url.pathname.startsWith('/.well-known')) {
      const issuer = liar.lie === 'issuer of discovery' ? 'https://evil.example' : root
      const endpoints = {
        authorization_endpoint: `${root}/auth`,
        token_endpoint: `${root}/token`,
        jwks_uri: `${root}/jwks`,
      }
      return json({ issuer, ...endpoints, response_types_supported: ['code'] })
    }
    if (url.pathname === '/jwks') return json({ keys: [jwk] })
    if (url.pathname === '/auth') {
      nonce = url.searchParams.get('nonce') ?? ''
      const back = new URL(url.searchParams.get('redirect_uri') ?? '')
      back.search = String(new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '' }))
      return response.writeHead(302, { Location: back.href }).end()
    }
    const now = Math.floor(Date.now() / 1_000)
    const claims = {
      iss: root,
      aud: idp.CLIENT.id,
      sub: 'liar',
      nonce,
      iat: now,
      exp: now + 60,
      preferred_username: 'liar',
    }
    const lies: Record<string, object> = {
      issuer: { iss: 'https://evil.example' },
      audience: { aud: 'another' },
      nonce: { nonce: 'another' },
      age: { exp: now - 3_600 },
    }
    const token = await new SignJWT({ ...claims, ...lies[liar.lie] })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .sign(liar.lie === 'key' ? others.privateKey : keys.privateKey)
    if (liar.lie === 'huge') return response.end('x'.repeat(2_000_000))
    if (liar.lie === 'no token') return json({ access_token: 'a', token_type: 'bearer' })
    return json({ access_token: 'a', token_type: 'bearer', id_token: token })
  })
  return liar
}

describe('a provider', () => {
  let liar: Awaited<ReturnType<typeof startLiar>>
  let slow: idp.TestProvider
  beforeAll(async () => {
    liar = await startLiar()
    slow = await idp.serve(() => () => undefined)
  })
  afterAll(() => Promise.all([liar.provider.stop(), slow.stop()]))

  const bad = () => ({
    sso: {
      providers: [
        openId('slow', slow.root),
        openId('gone', 'http://127.0.0.1:9'),
        openId('liar', liar.provider.root),
        openId('deceiver', liar.provider.root),
      ],
      client_whitelist: ['https://trusted.example/app'],
      timeout: '1s',
    },
  })

  eachServer(bad, (server) => {
    test('that is slow or gone is told of as such', async () => {
      for (const id of ['slow', 'gone']) {
        const page = await openBrowser().open(entrance(server, id))
        expect([id, page.status]).toEqual([id, 502])
        expect(page.html).toContain(`The ${id} cannot be reached`)
      }
    })

    test('that lies brings nobody in', async () => {
      for (const lie of ['issuer', 'audience', 'nonce', 'age', 'key', 'no token', 'huge']) {
        liar.lie = lie
        const page = await openBrowser().open(entrance(server, 'liar', TRUSTED_URL))
        expect([lie, page.status]).toEqual([lie, lie === 'huge' ? 502 : 403])
      }
      liar.lie = 'issuer of discovery'
      expect((await openBrowser().open(entrance(server, 'deceiver', TRUSTED_URL))).status).toBe(502)
      liar.lie = ''
      expect((await openBrowser().open(entrance(server, 'deceiver', TRUSTED_URL))).status).toBe(0)
      expect((await openBrowser().open(entrance(server, 'liar', TRUSTED_URL))).status).toBe(200)
    })
  })
})
