import { expect, test } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const hostile = '"><script>alert(1)</script>'
const config = {
  registration_requires_token: true,
  terms: [
    { id: 'tos', version: '2', languages: { en: { name: `Terms ${hostile}`, url: 'https://a.test/tos?a=1&b=2' } } },
  ],
  enable_registration_captcha: true,
  recaptcha_public_key: 'site"key',
  recaptcha_private_key: 'secret',
  recaptcha_bypass_secret: 'let me in',
}

eachServer(config, (server) => {
  const pathOf = (stage: string, session: unknown) =>
    `${server.url}${v3}/auth/${stage}/fallback/web?session=${encodeURIComponent(String(session))}`

  async function show(stage: string, session: unknown) {
    const reply = await fetch(pathOf(stage, session))
    return { status: reply.status, headers: reply.headers, html: await reply.text() }
  }

  async function submit(stage: string, session: unknown, fields: Record<string, string>) {
    const reply = await fetch(pathOf(stage, session), { method: 'POST', body: new URLSearchParams(fields) })
    return { status: reply.status, headers: reply.headers, html: await reply.text() }
  }

  const body = { username: 'page', password: TEST_PASSWORD }

  test('stages are passed on pages, and the client goes on with the session alone', async () => {
    const row = sql`INSERT INTO registration_tokens (token, uses_allowed) VALUES ('paper', 1)`
    await server.app.db.commit({ guards: [], writes: [row], log: [] })
    const { session } = (await server.call('POST', `${v3}/register`, { body })).body

    const refused = await submit('m.login.registration_token', session, { token: 'guess' })
    expect([refused.status, refused.html.includes('role="alert"')]).toEqual([401, true])
    expect((await submit('m.login.registration_token', session, { token: 'paper' })).html).toContain('onAuthDone')

    const terms = await show('m.login.terms', session)
    expect(terms.html).toContain('href="https://a.test/tos?a=1&amp;b=2"')
    expect(terms.html).not.toContain(hostile)
    expect((await submit('m.login.terms', session, {})).status).toBe(400)
    expect((await submit('m.login.terms', session, { policy0: 'on' })).status).toBe(200)
    // Done is done.
    expect((await show('m.login.terms', session)).html).toContain('onAuthDone')

    const captcha = await show('m.login.recaptcha', session)
    expect(captcha.html).toContain('data-sitekey="site&quot;key"')
    expect(captcha.headers.get('Content-Security-Policy')).toContain('script-src')
    expect((await submit('m.login.recaptcha', session, { 'g-recaptcha-response': 'let me in' })).status).toBe(200)

    const done = await server.call('POST', `${v3}/register`, { body: { auth: { session } } })
    expect([done.status, done.body.user_id]).toEqual([200, '@page:test.example'])
    expect((await show('m.login.terms', session)).status).toBe(403)
  })

  test('a page asks for the password of the user of the session', async () => {
    const row = sql`INSERT INTO registration_tokens (token) VALUES ('again')`
    await server.app.db.commit({ guards: [], writes: [row], log: [] })
    const { session } = (await server.call('POST', `${v3}/register`, { body: { ...body, username: 'dan' } })).body
    await submit('m.login.registration_token', session, { token: 'again' })
    await submit('m.login.terms', session, { policy0: 'on' })
    await submit('m.login.recaptcha', session, { 'g-recaptcha-response': 'let me in' })
    const dan = (await server.call('POST', `${v3}/register`, { body: { auth: { session } } })).body
    const token = String(dan.access_token)
    const path = `${v3}/devices/${dan.device_id}`
    const asked = (await server.call('DELETE', path, { token, body: {} })).body.session
    expect((await submit('m.login.password', asked, { password: 'a guess' })).status).toBe(401)
    expect((await server.call('DELETE', path, { token, body: { auth: { session: asked } } })).status).toBe(401)
    expect((await submit('m.login.password', asked, { password: TEST_PASSWORD })).status).toBe(200)
    expect((await server.call('DELETE', path, { token, body: { auth: { session: asked } } })).status).toBe(200)
    expect((await submit('m.login.password', session, { password: TEST_PASSWORD })).status).toBe(403)
  })

  test('pages load nothing from elsewhere, stand in no frame, and say what is wrong', async () => {
    const { session } = (await server.call('POST', `${v3}/register`, { body: { ...body, username: 'csp' } })).body
    for (const page of [await show('m.login.dummy', session), await show('m.login.dummy', hostile)]) {
      expect(page.headers.get('Content-Type')).toBe('text/html; charset=utf-8')
      const policy = page.headers.get('Content-Security-Policy') ?? ''
      expect(policy).toMatch(
        /^default-src 'none'; style-src 'nonce-[\w+/=]+'; form-action 'self'; frame-ancestors 'none'/,
      )
      expect(page.headers.get('X-Frame-Options')).toBe('DENY')
      expect(page.html).not.toContain('<script>alert')
    }
    expect((await show('m.login.sms', session)).status).toBe(404)
    expect((await show('m.login.dummy', 'invented')).status).toBe(403)
    const login = await fetch(`${server.url}/_matrix/static/client/login/?device_id=${encodeURIComponent(hostile)}`)
    expect([login.status, (await login.text()).includes(hostile)]).toEqual([200, false])
  })
})
