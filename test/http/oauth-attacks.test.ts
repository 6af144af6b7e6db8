import { describe, expect, test, vi } from 'vitest'
import { write } from '../../src/actions/write.ts'
import { insertClient } from '../../src/store/oauth.ts'
import { openBrowser } from '../helpers/browser.ts'
import { eachServer } from '../helpers/each-server.ts'
import * as oauth from '../helpers/oauth.ts'
import { startTestServer, TEST_PASSWORD } from '../helpers/server.ts'
import { enterAsAdmin } from '../helpers/session.ts'

const V3 = '/_matrix/client/v3'

eachServer({ oauth: { enabled: true } }, (server) => {
  const client = oauth.oauthClient(server)
  const whoami = (token: string) => server.call('GET', `${V3}/account/whoami`, { token })
  const atToken = async (form: Record<string, string>) => {
    const { status, body } = await client.post('/token', form)
    return [status, body.error]
  }

  /** A code that is not used yet, and the request that would use it. */
  async function codeOf(user: string, more: Record<string, string> = {}) {
    const clientId = await client.register()
    const { verifier, query, url } = client.request(clientId, more)
    const code = (await oauth.agree(url, user)).get('code') ?? ''
    const { redirect_uri } = query
    return { grant_type: 'authorization_code', client_id: clientId, redirect_uri, code_verifier: verifier, code }
  }

  test('a code that is used twice ends what it gave', async () => {
    await server.register('alice')
    const { form, access_token: token, refresh_token } = await oauth.enterByOAuth(server, 'alice')
    expect((await whoami(token)).status).toBe(200)
    expect(await atToken(form)).toEqual([400, 'invalid_grant'])
    const ended = await whoami(token)
    expect([ended.status, ended.body.soft_logout]).toEqual([401, true])
    const wish = { grant_type: 'refresh_token', client_id: form.client_id, refresh_token }
    expect(await atToken(wish)).toEqual([400, 'invalid_grant'])
  })

  test('of two who use a code at once at most one is let in, and both are out then', async () => {
    await server.register('bob')
    const form = await codeOf('bob')
    const replies = await Promise.all([client.post('/token', form), client.post('/token', form)])
    const good = replies.filter(({ status }) => status === 200)
    expect(good.length).toBeLessThanOrEqual(1)
    for (const { body } of good) expect((await whoami(String(body.access_token))).status).toBe(401)
  })

  test('a code is good for its client, address and verifier alone, and goes on being theirs', async () => {
    await server.register('carol')
    const form = await codeOf('carol')
    const other = await client.register({ client_name: 'Another' })
    const wrong: Record<string, string>[] = [
      { client_id: other },
      { redirect_uri: 'https://client.example/' },
      { redirect_uri: `${form.redirect_uri}&x=y` },
      { code_verifier: 'x'.repeat(43) },
      { code: 'x'.repeat(43) },
    ]
    for (const more of wrong)
      expect([more, await atToken({ ...form, ...more })]).toEqual([more, [400, 'invalid_grant']])
    const { code_verifier: _, ...downgraded } = form
    expect(await atToken(downgraded)).toEqual([400, 'invalid_request'])
    expect(await atToken({ ...form, code_verifier: '' })).toEqual([400, 'invalid_request'])
    expect(await atToken({ ...form, client_id: 'nobody' })).toEqual([401, 'invalid_client'])
    expect(await atToken({ ...form, grant_type: 'password' })).toEqual([400, 'unsupported_grant_type'])
    expect((await client.post('/token', form)).status).toBe(200)
  })

  test('a code is good for a minute', async () => {
    await server.register('dora')
    const form = await codeOf('dora')
    const soon = server.app.clock.now() + 60_000
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => soon)
    expect(await atToken(form)).toEqual([400, 'invalid_grant'])
    clock.mockRestore()
    expect((await client.post('/token', form)).status).toBe(200)
  })

  test('a parameter that is there twice is refused', async () => {
    const body = 'grant_type=refresh_token&refresh_token=a&refresh_token=b&client_id=c'
    const reply = await fetch(`${server.url}${oauth.OAUTH}/token`, { method: 'POST', body })
    expect([reply.status, ((await reply.json()) as { error: string }).error]).toEqual([400, 'invalid_request'])
    const { url } = client.request(await client.register())
    expect((await fetch(`${url}&redirect_uri=https://evil.example/`)).status).toBe(400)
  })

  describe('nobody is sent anywhere unasked:', () => {
    test.each([
      { redirect_uri: 'https://evil.example/' },
      { redirect_uri: 'https://client.example/' },
      { redirect_uri: `${oauth.CALLBACK}&x=y` },
      { redirect_uri: 'javascript:alert(1)' },
      { client_id: 'unknown' },
    ])('%o is a page without a way on', async (more) => {
      const page = await openBrowser().open(client.request(await client.register(), more).url)
      expect([page.status, page.links]).toEqual([400, []])
    })

    test.each([
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ code_challenge_method: '' }, 'invalid_request'],
      [{ code_challenge: '' }, 'invalid_request'],
      [{ code_challenge: 'short' }, 'invalid_request'],
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ response_mode: 'form_post' }, 'invalid_request'],
      [{ scope: 'openid' }, 'invalid_scope'],
    ])('%o is a page with a link to the client, which hears %s', async (more, error) => {
      const request = client.request(await client.register(), more as Record<string, string>)
      const page = await openBrowser().open(request.url)
      const [link = ''] = page.links
      expect([page.status, page.links.length, new URL(link).host]).toEqual([400, 1, 'app.client.example'])
      const answer = oauth.answerIn({ ...page, status: 0, url: link })
      expect([answer.get('error'), answer.get('state'), answer.get('code')]).toEqual([error, 'a state & more', null])
    })
  })

  test('the forms are for the browser in which the login began, and each is good once', async () => {
    await server.register('eve')
    const mine = openBrowser()
    const page = await mine.open(client.request(await client.register()).url)
    expect(page.headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
    const login = { user: 'eve', password: TEST_PASSWORD }
    expect((await oauth.submit(openBrowser(), page, login)).status).toBe(403)
    expect((await oauth.submit(mine, page, { ...login, session: 'guessed' })).status).toBe(403)
    const consent = await oauth.submit(mine, page, login)
    expect((await oauth.submit(mine, page, login)).status).toBe(403)
    const theirs = openBrowser()
    await theirs.open(client.request(await client.register()).url)
    for (const browser of [theirs, openBrowser()]) {
      const forged = await oauth.submit(browser, consent, { answer: 'allow' })
      expect([forged.status, forged.url.includes('code=')]).toEqual([403, false])
    }
    expect((await mine.open(`${server.url}${oauth.OAUTH}/consent`, { form: { answer: 'allow' } })).status).toBe(400)
    // The session of one step is none of another.
    const session = /name="session" value="([^"]+)"/.exec(consent.html)?.[1] ?? ''
    expect((await oauth.submit(mine, page, { ...login, session })).status).toBe(403)
    expect(oauth.answerIn(await oauth.submit(mine, consent, { answer: 'allow' })).get('code')).not.toBeNull()
    expect((await oauth.submit(mine, consent, { answer: 'allow' })).status).toBe(403)
  })

  test('a wrong password leaves the form as it was, and what is written in it is no part of the page', async () => {
    const browser = openBrowser()
    const page = await browser.open(client.request(await client.register()).url)
    const again = await oauth.submit(browser, page, { user: '"><script>x</script>', password: 'wrong' })
    expect([again.status, again.html.includes('<script>x')]).toEqual([403, false])
    expect(again.html).toContain('role="alert"')
  })

  test('a client that is forgotten during the login is told of on a page', async () => {
    await server.register('faye')
    const browser = openBrowser()
    const page = await browser.open(client.request(await client.register({ client_name: 'Forgotten' })).url)
    await write(server.app, { guards: [], writes: insertClient('newer', '{}', server.app.clock.now(), 0), log: [] })
    const answer = await oauth.submit(browser, page, { user: 'faye', password: TEST_PASSWORD })
    expect([answer.status, answer.html.includes('forgotten')]).toEqual([400, true])
  })

  test('a stolen refresh token ends the session when both use it, and is good with its client alone', async () => {
    await server.register('frank')
    const { clientId, refresh_token, access_token } = await oauth.enterByOAuth(server, 'frank')
    const wish = { grant_type: 'refresh_token', client_id: clientId, refresh_token }
    const other = await client.register({ client_name: 'Another' })
    expect(await atToken({ ...wish, client_id: other })).toEqual([400, 'invalid_grant'])
    const legacy = await server.call('POST', `${V3}/refresh`, { body: { refresh_token } })
    expect([legacy.status, legacy.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN'])
    expect((await whoami(access_token)).status).toBe(200)
    const thief = (await client.post('/token', wish)).body as unknown as oauth.GrantedTokens
    expect((await whoami(thief.access_token)).status).toBe(200)
    expect(await atToken(wish)).toEqual([400, 'invalid_grant'])
    expect((await whoami(thief.access_token)).status).toBe(401)
    expect(await atToken({ ...wish, refresh_token: thief.refresh_token })).toEqual([400, 'invalid_grant'])
  })

  test('a refresh token of the legacy API is none of OAuth 2.0, and revoking leaves it alone', async () => {
    await server.register('gerd')
    const identifier = { type: 'm.id.user', user: 'gerd' }
    const body = { type: 'm.login.password', identifier, password: TEST_PASSWORD, refresh_token: true }
    const legacy = (await server.call('POST', `${V3}/login`, { body })).body as unknown as oauth.GrantedTokens
    const wish = { grant_type: 'refresh_token', client_id: await client.register() }
    expect(await atToken({ ...wish, refresh_token: legacy.refresh_token })).toEqual([400, 'invalid_grant'])
    for (const token of [legacy.access_token, legacy.refresh_token, 'nonsense'])
      expect((await client.post('/revoke', { token })).status).toBe(200)
    expect((await client.post('/revoke', {})).status).toBe(400)
    expect((await whoami(legacy.access_token)).status).toBe(200)
  })

  test('whoever finds a token may revoke it, an old one too', async () => {
    await server.register('hans')
    const first = await oauth.enterByOAuth(server, 'hans')
    const wish = { grant_type: 'refresh_token', client_id: first.clientId, refresh_token: first.refresh_token }
    const second = (await client.post('/token', wish)).body as unknown as oauth.GrantedTokens
    expect((await client.post('/revoke', { token: first.access_token, client_id: 'another' })).status).toBe(200)
    expect((await whoami(second.access_token)).status).toBe(401)
    expect(await atToken({ ...wish, refresh_token: second.refresh_token })).toEqual([400, 'invalid_grant'])
  })

  test('a new password ends codes and consents that were given before', async () => {
    const account = await server.register('ivo')
    const form = await codeOf('ivo')
    const browser = openBrowser()
    const page = await browser.open(client.request(form.client_id).url)
    const consent = await oauth.submit(browser, page, { user: 'ivo', password: TEST_PASSWORD })
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'ivo' }, password: TEST_PASSWORD }
    const change = { new_password: 'another good one', auth }
    const changed = await server.call('POST', `${V3}/account/password`, { token: account.token, body: change })
    expect(changed.status).toBe(200)
    expect(await atToken(form)).toEqual([400, 'invalid_grant'])
    expect((await oauth.submit(browser, consent, { answer: 'allow' })).status).toBe(403)
  })

  test('who is locked out gets no code and no tokens, and keeps the session for later', async () => {
    const admin = await enterAsAdmin(server, 'warden')
    await server.register('jan')
    const form = await codeOf('jan')
    const { clientId, refresh_token } = await oauth.enterByOAuth(server, 'jan')
    const lock = async (locked: boolean) => {
      const path = `/_matrix/client/v1/admin/lock/${encodeURIComponent('@jan:test.example')}`
      expect((await server.call('PUT', path, { token: admin.token, body: { locked } })).status).toBe(200)
    }
    await lock(true)
    expect(await atToken(form)).toEqual([400, 'invalid_grant'])
    const wish = { grant_type: 'refresh_token', client_id: clientId, refresh_token }
    expect(await atToken(wish)).toEqual([503, 'temporarily_unavailable'])
    const browser = openBrowser()
    const page = await browser.open(client.request(clientId).url)
    const refused = await oauth.submit(browser, page, { user: 'jan', password: TEST_PASSWORD })
    expect([refused.status, refused.html.includes('locked')]).toEqual([403, true])
    await lock(false)
    expect((await client.post('/token', wish)).status).toBe(200)
  })

  test('a closed account is let in nowhere', async () => {
    const account = await server.register('kim')
    const form = await codeOf('kim')
    const { clientId, refresh_token } = await oauth.enterByOAuth(server, 'kim')
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'kim' }, password: TEST_PASSWORD }
    await server.call('POST', `${V3}/account/deactivate`, { token: account.token, body: { auth } })
    expect(await atToken(form)).toEqual([400, 'invalid_grant'])
    expect(await atToken({ grant_type: 'refresh_token', client_id: clientId, refresh_token })).toEqual([
      400,
      'invalid_grant',
    ])
  })
})

describe('where registration', () => {
  async function signUpPage(clientApi: Record<string, unknown>) {
    const server = await startTestServer({ oauth: { enabled: true }, ...clientApi })
    const client = oauth.oauthClient(server)
    const browser = openBrowser()
    const page = await browser.open(client.request(await client.register(), { prompt: 'create' }).url)
    return { server, browser, page }
  }
  const form = { username: 'lena', password: TEST_PASSWORD, repeated: TEST_PASSWORD }

  test('is closed, none is offered or taken', async () => {
    const { server, browser, page } = await signUpPage({ registration_disabled: true })
    try {
      expect(page.html).not.toContain('sign-up')
      const { body } = await server.call('GET', '/_matrix/client/v1/auth_metadata')
      expect(body.prompt_values_supported).toBeUndefined()
      const action = `${server.url}${oauth.OAUTH}/sign-up`
      const session = /name="session" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
      expect((await browser.open(action, { form: { ...form, session } })).status).toBe(403)
      expect((await browser.open(`${action}?${new URLSearchParams({ session })}`)).status).toBe(403)
    } finally {
      await server.stop()
    }
  })

  test('takes stages, they are passed on their pages first', async () => {
    const privacy = { en: { name: 'Privacy', url: 'https://test.example/privacy' } }
    const terms = [{ id: 'privacy', version: '1', languages: privacy }]
    const { server, browser, page } = await signUpPage({ registration_requires_token: true, terms })
    try {
      const admin = await enterAsAdmin(server, 'registrar')
      const made = { token: admin.token, body: { token: 'welcome', uses_allowed: 1 } }
      await server.call('POST', '/_synapse/admin/v1/registration_tokens/new', made)
      const stages = await oauth.submit(browser, page, form)
      expect([stages.status, stages.links.length]).toEqual([200, 2])
      const early = await oauth.submit(browser, stages, {})
      expect(early.links).toHaveLength(2)
      const [byToken, byTerms] = stages.links as [string, string]
      expect((await browser.open(byToken, { form: { token: 'welcome' } })).html).toContain('This step is done')
      expect((await oauth.submit(browser, early, {})).links).toEqual([byTerms])
      expect((await browser.open(byTerms, { form: { policy0: 'on' } })).html).toContain('This step is done')
      const consent = await oauth.submit(browser, early, {})
      expect(consent.html).toContain('@lena:test.example')
      expect(oauth.answerIn(await oauth.submit(browser, consent, { answer: 'allow' })).get('code')).not.toBeNull()
    } finally {
      await server.stop()
    }
  })
})
