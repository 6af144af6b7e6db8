import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const register = '/_matrix/client/v3/register'
const stages = ['m.login.registration_token', 'm.login.recaptcha', 'm.login.terms']

/** Keeps captchas: what it was asked, and how it answers. */
const asked: URLSearchParams[] = []
let answer = (form: URLSearchParams): string =>
  JSON.stringify({ success: form.get('response') === 'solved', score: 0.9 })
const keeper = createServer(async (request, reply) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const form = new URLSearchParams(Buffer.concat(chunks).toString())
  asked.push(form)
  reply.end(answer(form))
})
await new Promise<void>((resolve) => keeper.listen(0, '127.0.0.1', resolve))
const verify = `http://127.0.0.1:${(keeper.address() as AddressInfo).port}/siteverify`
afterAll(() => {
  keeper.close()
})

const config = {
  registration_requires_token: true,
  enable_registration_captcha: true,
  recaptcha_public_key: 'site key',
  recaptcha_private_key: 'secret key',
  recaptcha_siteverify_api: verify,
  terms: [{ id: 'privacy', version: '1.2', languages: { en: { name: 'Privacy', url: 'https://a.test/privacy' } } }],
}

eachServer(config, (server) => {
  const ask = (username: string, auth?: object) =>
    server.call('POST', register, { body: { username, password: TEST_PASSWORD, ...(auth && { auth }) } })

  async function makeToken(token: string): Promise<void> {
    const row = sql`INSERT INTO registration_tokens (token, uses_allowed) VALUES (${token}, 1)`
    await server.app.db.commit({ guards: [], writes: [row], log: [] })
  }

  test('all stages are asked for, in any order, and remembered by the session', async () => {
    await makeToken('open-sesame')
    const first = await ask('ali')
    expect([first.status, first.body.flows, first.body.completed]).toEqual([401, [{ stages }], []])
    expect(first.body.params).toEqual({
      'm.login.recaptcha': { public_key: 'site key' },
      'm.login.terms': {
        policies: { privacy: { version: '1.2', en: { name: 'Privacy', url: 'https://a.test/privacy' } } },
      },
    })
    const { session } = first.body
    const terms = await ask('ali', { session, type: 'm.login.terms' })
    expect([terms.status, terms.body.completed, terms.body.session]).toEqual([401, ['m.login.terms'], session])
    const token = await ask('ali', { session, type: 'm.login.registration_token', token: 'open-sesame' })
    expect(token.body.completed).toEqual(['m.login.terms', 'm.login.registration_token'])
    const wrong = await ask('ali', { session, type: 'm.login.recaptcha', response: 'guessed' })
    expect([wrong.status, wrong.body.errcode, wrong.body.completed]).toEqual([
      401,
      'M_CAPTCHA_INVALID',
      ['m.login.terms', 'm.login.registration_token'],
    ])
    // Asking how far it is changes nothing.
    expect((await ask('ali', { session })).body.completed).toHaveLength(2)
    const done = await ask('ali', { session, type: 'm.login.recaptcha', response: 'solved' })
    expect([done.status, done.body.user_id]).toEqual([200, '@ali:test.example'])
    const kept = sql`SELECT consent_version FROM users WHERE user_id = '@ali:test.example'`
    expect(await server.app.db.read(kept)).toEqual([{ consent_version: 'privacy 1.2' }])
    expect(Object.fromEntries(asked.at(-1)!)).toMatchObject({ secret: 'secret key', response: 'solved' })
    expect((await ask('baba', { session, type: 'm.login.terms' })).status).toBe(403)
  })

  test('one stage is not enough without a session, but it is remembered', async () => {
    const part = await ask('one', { type: 'm.login.terms' })
    expect([part.status, part.body.completed]).toEqual([401, ['m.login.terms']])
    const { session } = part.body
    const captcha = await ask('one', { session, type: 'm.login.recaptcha', response: 'solved' })
    expect([captcha.status, captcha.body.completed]).toEqual([401, ['m.login.terms', 'm.login.recaptcha']])
    const other = await ask('two', { session, type: 'm.login.recaptcha', response: 'solved' })
    expect([other.status, other.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })

  test('a token that was used up between its stage and the last one makes no account', async () => {
    await makeToken('single')
    const begin = async (name: string) => {
      const { session } = (await ask(name)).body
      await ask(name, { session, type: 'm.login.terms' })
      await ask(name, { session, type: 'm.login.registration_token', token: 'single' })
      return { session, type: 'm.login.recaptcha', response: 'solved' }
    }
    const [early, late] = [await begin('early'), await begin('late')]
    expect((await ask('early', early)).status).toBe(200)
    const refused = await ask('late', late)
    expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    expect(await server.app.db.read(sql`SELECT user_id FROM users WHERE user_id LIKE '@late:%'`)).toEqual([])
  })

  test.each([
    ['an error', () => '<html>down</html>'],
    ['no verdict', () => '{"success": "true"}'],
  ])('a keeper of captchas that answers with %s lets nobody through', async (_what, lie) => {
    const truth = answer
    answer = lie
    const { session } = (await ask('liar')).body
    const reply = await ask('liar', { session, type: 'm.login.recaptcha', response: 'solved' })
    answer = truth
    expect([401, 503]).toContain(reply.status)
    expect((await ask('liar', { session })).body.completed).toEqual([])
  })
})

const { terms: _, ...unasked } = { ...config, enable_registration_captcha: false, registration_requires_token: true }

eachServer(unasked, (server) => {
  const call = (path: string, auth?: object, token?: string) =>
    server.call('POST', `/_matrix/client/v3${path}`, {
      body: { username: 'eve', password: TEST_PASSWORD, new_password: 'another password', auth },
      ...(token !== undefined && { token }),
    })
  const captcha = { type: 'm.login.recaptcha', response: 'solved' }

  test('what no flow asks for may be passed, if this server can check it, and lets nobody through', async () => {
    const first = await call('/register', captcha)
    expect([first.status, first.body.errcode, first.body.completed]).toEqual([401, 'M_UNAUTHORIZED', [captcha.type]])
    expect(first.body.flows).toEqual([{ stages: ['m.login.registration_token'] }])
    const { session } = first.body
    const next = await call('/register', { session, type: 'm.login.dummy' })
    expect([next.status, next.body.completed]).toEqual([401, [captcha.type, 'm.login.dummy']])
    const wrong = await call('/register', { ...captcha, response: 'guessed' })
    expect([wrong.status, wrong.body.errcode, wrong.body.completed]).toEqual([401, 'M_CAPTCHA_INVALID', []])
  })

  test('what uses something up, is not configured, or has others asked in vain, stays in the flows', async () => {
    const creds = { threepid_creds: { sid: 'sid', client_secret: 'secret' } }
    for (const auth of [{ type: 'm.login.terms' }, { type: 'm.login.email.identity', ...creds }, { type: 'x' }]) {
      const reply = await call('/register', auth)
      expect([reply.status, reply.body.errcode, reply.body.completed]).toEqual([401, 'M_FORBIDDEN', []])
    }
    const admitted = sql`INSERT INTO registration_tokens (token) VALUES ('in')`
    await server.app.db.commit({ guards: [], writes: [admitted], log: [] })
    const made = await call('/register', { type: 'm.login.registration_token', token: 'in' })
    expect(made.status).toBe(200)
    const questions = asked.length
    for (const auth of [captcha, { type: 'm.login.registration_token', token: 'in' }]) {
      const reply = await call('/account/password', auth, String(made.body.access_token))
      expect([reply.status, reply.body.errcode, reply.body.completed]).toEqual([401, 'M_FORBIDDEN', []])
    }
    expect(asked).toHaveLength(questions)
  })
})
