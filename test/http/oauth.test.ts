import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { forgetOldRows } from '../../src/actions/forget-old-rows.ts'
import { sql } from '../../src/db/sql.ts'
import { openBrowser } from '../helpers/browser.ts'
import { eachServer } from '../helpers/each-server.ts'
import * as idp from '../helpers/identity-providers.ts'
import { sdk } from '../helpers/js-sdk.ts'
import * as oauth from '../helpers/oauth.ts'
import { startTestServer, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
const METADATA = '/_matrix/client/v1/auth_metadata'

const started: { company: idp.TestProvider } = {} as never
beforeAll(async () => {
  started.company = await idp.startOpenIdProvider({
    1: { preferred_username: 'ann' },
    2: { preferred_username: 'taken' },
  })
})
afterAll(() => started.company.stop())

function config() {
  const { id: client_id, secret: client_secret } = idp.CLIENT
  const company = { id: 'company', name: 'The company', issuer: started.company.root, client_id, client_secret }
  return { oauth: { enabled: true }, sso: { providers: [company] } }
}

const whoami = (server: TestServer, token: string) => server.call('GET', `${V3}/account/whoami`, { token })

test('is unknown where the configuration does not have it', async () => {
  const server = await startTestServer()
  try {
    const unknown = [404, 'M_UNRECOGNIZED']
    for (const path of [METADATA, `${oauth.OAUTH}/token`, '/.well-known/oauth-authorization-server']) {
      for (const method of ['GET', 'POST']) {
        const { status, body } = await server.call(method, path)
        expect([path, status, body.errcode]).toEqual([path, ...unknown])
      }
    }
  } finally {
    await server.stop()
  }
})

eachServer(config, (server) => {
  test('matrix-js-sdk discovers, registers, logs in, refreshes and logs out', async () => {
    await server.register('alice')
    const { createClient } = await sdk()
    const { OAuth2 } = await import('matrix-js-sdk/lib/oauth/index.js')
    const metadata = await createClient({ baseUrl: server.url }).getAuthMetadata()
    const redirectUri = 'https://app.client.example/callback'
    const clientId = await OAuth2.registerClient(metadata, { ...clientOfTest(), redirect_uris: [redirectUri] })
    const client = new OAuth2(metadata, { clientId, deviceId: 'PHONE' })
    const url = await client.generateAuthorizationCodeGrantUrl('the state', redirectUri)
    const answer = await oauth.agree(url, 'alice')
    expect([answer.get('state'), answer.get('iss')]).toEqual(['the state', `${server.url}/`])
    const first = await client.completeAuthorizationCodeGrant(answer.get('code') ?? '', redirectUri)
    expect(first).toMatchObject({
      token_type: 'Bearer',
      expires_in: 3_600,
      scope: 'urn:matrix:client:api:* urn:matrix:client:device:PHONE',
    })
    expect((await whoami(server, first.access_token)).body).toMatchObject({
      user_id: '@alice:test.example',
      device_id: 'PHONE',
    })
    const devices = (await server.call('GET', `${V3}/devices`, { token: first.access_token })).body.devices
    expect(devices).toContainEqual(expect.objectContaining({ device_id: 'PHONE', display_name: 'An <app>' }))
    const second = await client.performRefreshTokenGrant(first.refresh_token ?? '')
    expect(second.scope).toBe(first.scope)
    expect((await whoami(server, second.access_token)).status).toBe(200)
    await client.revokeToken(second.refresh_token ?? '', 'refresh_token')
    const gone = await whoami(server, second.access_token)
    expect([gone.status, gone.body.errcode, gone.body.soft_logout]).toEqual([401, 'M_UNKNOWN_TOKEN', undefined])
    await expect(client.performRefreshTokenGrant(second.refresh_token ?? '')).rejects.toMatchObject({ httpStatus: 400 })
  })

  test('openid-client does, by RFC 8414, RFC 7591 and RFC 9207, with a native client', async () => {
    await server.register('bert')
    const client = await import('openid-client')
    const insecure = { algorithm: 'oauth2' as const, execute: [client.allowInsecureRequests] }
    const native = { ...clientOfTest(), redirect_uris: ['http://127.0.0.1/back'], application_type: 'native' }
    const known = await client.dynamicClientRegistration(new URL(server.url), native, client.None(), insecure)
    expect(known.clientMetadata()).toMatchObject({ token_endpoint_auth_method: 'none', response_types: ['code'] })
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const url = client.buildAuthorizationUrl(known, {
      redirect_uri: 'http://127.0.0.1:9/back',
      scope: 'openid urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:DESK',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: 'abc',
    })
    const browser = openBrowser()
    const page = await browser.open(url.href)
    const consent = await oauth.submit(browser, page, { user: 'bert', password: TEST_PASSWORD })
    expect(consent.headers.get('Content-Security-Policy')).toContain("form-action 'self' http://127.0.0.1:9")
    const session = /name="session" value="([^"]+)"/.exec(consent.html)?.[1] ?? ''
    const form = { session, answer: 'allow' }
    const back = await browser.open(`${server.url}${oauth.OAUTH}/consent`, { form, stopAt: '/back' })
    const tokens = await client.authorizationCodeGrant(known, new URL(back.url), {
      pkceCodeVerifier,
      expectedState: 'abc',
    })
    expect(tokens.scope).not.toContain('openid')
    expect((await whoami(server, tokens.access_token)).body.device_id).toBe('DESK')
    const next = await client.refreshTokenGrant(known, tokens.refresh_token ?? '')
    expect((await whoami(server, next.access_token)).status).toBe(200)
    await client.tokenRevocation(known, next.access_token)
    expect((await whoami(server, next.access_token)).status).toBe(401)
  })

  test('the metadata names what works, here and where it was before', async () => {
    const { body } = await server.call('GET', METADATA)
    for (const path of [
      '/_matrix/client/unstable/org.matrix.msc2965/auth_metadata',
      '/.well-known/oauth-authorization-server',
    ])
      expect((await server.call('GET', path)).body).toEqual(body)
    expect(body).toMatchObject({ issuer: `${server.url}/`, prompt_values_supported: ['create'] })
    for (const [name, url] of Object.entries(body).filter(([key]) => key.endsWith('_endpoint')))
      expect([name, (await fetch(url as string, { method: 'PATCH' })).status]).toEqual([name, 405])
  })

  test('the same client registered twice is one, and says what was understood', async () => {
    const client = oauth.oauthClient(server)
    const reply = await server.call('POST', `${oauth.OAUTH}/register`, {
      body: { ...clientOfTest(), 'client_name#de': 'Eine', grant_types: ['authorization_code', 'x'] },
    })
    expect([reply.status, reply.headers.get('Cache-Control')]).toEqual([201, 'no-store'])
    expect(reply.body).toEqual({
      ...clientOfTest(),
      client_id: await client.register(),
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    })
    const refused = await server.call('POST', `${oauth.OAUTH}/register`, { raw: '[' })
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_client_metadata'])
    expect((await server.call('POST', `${oauth.OAUTH}/register`, { raw: ' '.repeat(40_000) })).status).toBe(413)
  })

  test('a client that nobody logs in with is forgotten, and one with a session is not', async () => {
    const client = oauth.oauthClient(server)
    await server.register('fred')
    const used = (await oauth.enterByOAuth(server, 'fred')).clientId
    const idle = await client.register({ client_name: 'Idle' })
    const soon = server.app.clock.now() + 25 * 3_600_000
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    await forgetOldRows(server.app)
    const rows = await server.app.db.read<{ client_id: string }>(sql`SELECT client_id FROM oauth_clients`)
    expect(rows.map(({ client_id: id }) => [id === used, id === idle])).toContainEqual([true, false])
    expect(rows.map(({ client_id: id }) => id)).not.toContain(idle)
    clock.mockRestore()
    expect((await openBrowser().open(client.request(idle).url)).status).toBe(400)
  })

  test('the table of clients is bounded', { timeout: 60_000 }, async () => {
    const { insertClient } = await import('../../src/store/oauth.ts')
    const { write } = await import('../../src/actions/write.ts')
    const used = (await server.app.db.read<{ client_id: string }>(sql`SELECT DISTINCT client_id FROM sessions
      WHERE client_id IS NOT NULL`)) as { client_id: string }[]
    for (let n = 0; n < 30; n++) {
      const writes = insertClient(`client-${n}`, '{}', n, 10)
      await write(server.app, { guards: [], writes, log: [] })
    }
    const rows = await server.app.db.read<{ client_id: string }>(sql`SELECT client_id FROM oauth_clients`)
    const left = rows.map(({ client_id: id }) => id)
    expect(left.length).toBeLessThanOrEqual(10 + used.length)
    for (const { client_id: id } of used) expect(left).toContain(id)
  })

  test('a user makes an account on the way to a client', async () => {
    const client = oauth.oauthClient(server)
    const clientId = await client.register()
    const { url, query, verifier } = client.request(clientId, { prompt: 'create', response_mode: 'query' })
    const browser = openBrowser()
    const page = await browser.open(url)
    expect(page.html).toContain('An &lt;app&gt;')
    await server.register('known')
    const tried = { username: 'known', password: TEST_PASSWORD, repeated: TEST_PASSWORD }
    const form = await oauth.submit(browser, page, tried)
    expect([form.status, /role="alert">([^<]*)/.exec(form.html)?.[1]]).toEqual([400, 'This user name is taken.'])
    for (const wrong of [{ repeated: 'x' }, { password: 'short', repeated: 'short' }, { username: 'a b' }])
      expect((await oauth.submit(browser, form, { ...tried, username: 'gina', ...wrong })).status).toBe(400)
    const consent = await oauth.submit(browser, form, { ...tried, username: 'Gina' })
    expect(consent.html).toContain('@gina:test.example')
    const answer = oauth.answerIn(await oauth.submit(browser, consent, { answer: 'allow' }))
    expect(answer.get('from')).toBe('matrix')
    const code = answer.get('code') ?? ''
    const { redirect_uri } = query
    const wish = { grant_type: 'authorization_code', client_id: clientId, redirect_uri, code_verifier: verifier, code }
    const { body } = await client.post('/token', wish)
    expect((await whoami(server, String(body.access_token))).body.user_id).toBe('@gina:test.example')
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'gina' }, password: TEST_PASSWORD }
    expect((await server.call('POST', `${V3}/login`, { body: login })).status).toBe(200)
  })

  test('a user comes through a provider, and may have to choose a name', async () => {
    const client = oauth.oauthClient(server)
    await server.register('taken')
    const { url } = client.request(await client.register())
    for (const [user, name, choice] of [
      ['1', '@ann:test.example', ''],
      ['2', '@second:test.example', 'second'],
    ] as const) {
      started.company.user = user
      const browser = openBrowser()
      const link = (await browser.open(url)).links.find((one) => one.includes('/sso/company'))
      let page = await browser.open(link ?? '')
      if (choice !== '') page = await oauth.submit(browser, page, { username: choice })
      expect(page.html).toContain(name)
      expect(oauth.answerIn(await oauth.submit(browser, page, { answer: 'allow' })).get('code')).not.toBeNull()
    }
  })

  test('the name of the user whom the client expects stands in the form already', async () => {
    const client = oauth.oauthClient(server)
    const clientId = await client.register()
    const login_hint = 'mxid:@hint"<b>:test.example'
    const page = await openBrowser().open(client.request(clientId, { login_hint }).url)
    expect(page.html).toContain('value="@hint&quot;&lt;b&gt;:test.example"')
    const other = await openBrowser().open(client.request(clientId, { login_hint: 'mail:x' }).url)
    expect([other.status, other.html.includes('mail:x')]).toEqual([200, false])
  })

  test('who says no goes back without a code', async () => {
    const client = oauth.oauthClient(server)
    await server.register('henry')
    const browser = openBrowser()
    const page = await browser.open(client.request(await client.register()).url)
    const consent = await oauth.submit(browser, page, { user: 'henry', password: TEST_PASSWORD })
    expect(consent.html).toContain('app.client.example')
    const answer = oauth.answerIn(await oauth.submit(browser, consent, { answer: 'deny' }))
    expect([answer.get('error'), answer.get('code'), answer.get('state')]).toEqual([
      'access_denied',
      null,
      'a state & more',
    ])
    expect((await oauth.submit(browser, consent, { answer: 'allow' })).status).toBe(403)
  })

  test('the database has neither codes nor what clients and browsers hold', async () => {
    const client = oauth.oauthClient(server)
    await server.register('ida')
    const { url, verifier } = client.request(await client.register())
    const code = (await oauth.agree(url, 'ida')).get('code') ?? ''
    const rows = await server.app.db.read<{ code_hash: Uint8Array }>(sql`SELECT * FROM oauth_codes`)
    const text = JSON.stringify(rows.map((row) => ({ ...row, code_hash: Buffer.from(row.code_hash).toString('hex') })))
    expect(text).toContain(createHash('sha256').update(code).digest('hex'))
    expect([text.includes(code), text.includes(verifier)]).toEqual([false, false])
    expect(JSON.stringify(await server.app.db.read(sql`SELECT * FROM sso_sessions`))).not.toContain('client.example')
  })
})

function clientOfTest() {
  const { client_name, client_uri, redirect_uris } = oauth.CLIENT_METADATA
  return { client_name, client_uri, redirect_uris, application_type: 'web' as const } as {
    client_name: string
    client_uri: string
    redirect_uris: [string]
    application_type: 'web'
  }
}
