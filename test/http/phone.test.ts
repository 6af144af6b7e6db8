import { afterAll, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { startIdentityServer } from '../helpers/identity-server.ts'
import { startTestServer, TEST_PASSWORD } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const type = 'm.login.msisdn'
const sms = await startIdentityServer({ tls: false })
afterAll(() => sms.stop())
const msisdn = { identity_server: `http://${sms.name}`, identity_token: sms.token }

eachServer({ msisdn }, (server) => {
  let secrets = 0

  const ask = (kind: string, phone_number: string, client_secret: string) => {
    const body = { client_secret, country: 'GB', phone_number, send_attempt: 1 }
    return server.call('POST', `${v3}/${kind}/msisdn/requestToken`, { body })
  }
  const submit = (body: object) => server.call('POST', '/_matrix/static/client/msisdn/submit_token', { body })

  async function prove(kind: string, phone: string): Promise<{ sid: string; client_secret: string }> {
    const client_secret = `secret${secrets++}`
    const { sid, submit_url } = (await ask(kind, phone, client_secret)).body
    expect(submit_url).toBe('https://test.example/_matrix/static/client/msisdn/submit_token')
    const creds = { sid: String(sid), client_secret }
    const code = sms.codes.get(`44${phone.slice(1)}`)
    expect((await submit({ ...creds, token: 'guess' })).body).toEqual({ success: false })
    expect((await submit({ ...creds, token: code })).body).toEqual({ success: true })
    return creds
  }

  test('an account is made with a number, which logs in by it and gets a new password', async () => {
    const body = { username: 'anna', password: TEST_PASSWORD }
    const first = await server.call('POST', `${v3}/register`, { body })
    expect(first.body.flows).toEqual([{ stages: ['m.login.dummy'] }, { stages: [type] }])
    const threepid_creds = await prove('register', '07700900001')
    const made = await server.call('POST', `${v3}/register`, { body: { ...body, auth: { type, threepid_creds } } })
    expect([made.status, made.body.user_id]).toEqual([200, '@anna:test.example'])
    const token = String(made.body.access_token)
    const { threepids } = (await server.call('GET', `${v3}/account/3pid`, { token })).body
    expect(threepids).toMatchObject([{ medium: 'msisdn', address: '447700900001' }])

    const identifier = { type: 'm.id.thirdparty', medium: 'msisdn', address: '447700900001' }
    const login = { type: 'm.login.password', identifier, password: 'a new password' }
    const reset = { new_password: 'a new password', auth: { type, threepid_creds } }
    const stale = await server.call('POST', `${v3}/account/password`, { body: reset })
    expect([stale.status, stale.body.errcode]).toEqual([401, 'M_THREEPID_AUTH_FAILED'])
    const fresh = { type, threepid_creds: await prove('account/password', '07700900001') }
    expect((await server.call('POST', `${v3}/account/password`, { body: { ...reset, auth: fresh } })).status).toBe(200)
    expect((await server.call('POST', `${v3}/login`, { body: login })).body.user_id).toBe('@anna:test.example')
  })

  test('a number is proved on the page of the stage, without scripts', async () => {
    const body = { username: 'page', password: TEST_PASSWORD }
    const { session } = (await server.call('POST', `${v3}/register`, { body })).body
    const page = `${server.url}${v3}/auth/${type}/fallback/web?session=${encodeURIComponent(String(session))}`
    const submit = async (fields: Record<string, string>) => {
      const reply = await fetch(page, { method: 'POST', body: new URLSearchParams(fields) })
      return { status: reply.status, html: await reply.text() }
    }
    expect(await (await fetch(page)).text()).toContain('type="tel"')
    const sent = await submit({ country: 'gb', phone_number: '07700900009' })
    const hidden = [...sent.html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)]
    const fields = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]))
    expect((await submit({ ...fields, code: 'guess' })).status).toBe(401)
    expect((await submit({ ...fields, code: sms.codes.get('447700900009') ?? '' })).html).toContain('onAuthDone')
    const made = await server.call('POST', `${v3}/register`, { body: { auth: { session } } })
    expect([made.status, made.body.user_id]).toEqual([200, '@page:test.example'])
  })

  test('a number is added once it is proved, and is good for one account', async () => {
    const [bert, carl] = [await server.register('bert'), await server.register('carl')]
    const client_secret = `secret${secrets++}`
    const { sid } = (await ask('account/3pid', '07700900002', client_secret)).body
    const add = (token: string, creds: object) =>
      server.call('POST', `${v3}/account/3pid/add`, {
        token,
        body: { ...creds, auth: { type: 'm.login.password', password: TEST_PASSWORD } },
      })
    expect((await add(bert.token, { sid, client_secret })).body.errcode).toBe('M_THREEPID_AUTH_FAILED')
    expect((await add(bert.token, await prove('account/3pid', '07700900002'))).status).toBe(200)
    const taken = await add(carl.token, await prove('account/3pid', '07700900002'))
    expect([taken.status, taken.body.errcode]).toEqual([400, 'M_THREEPID_IN_USE'])
  })

  test('the secret of a used proof proves nothing again', async () => {
    const client_secret = 'again'
    const { sid } = (await ask('register', '07700900003', client_secret)).body
    const creds = { sid: String(sid), client_secret }
    await submit({ ...creds, token: sms.codes.get('447700900003') })
    const register = (username: string) =>
      server.call('POST', `${v3}/register`, {
        body: { username, password: TEST_PASSWORD, auth: { type, threepid_creds: creds } },
      })
    expect((await register('dora')).status).toBe(200)
    await ask('register', '07700900003', client_secret)
    expect((await register('thief')).body.errcode).toBe('M_THREEPID_AUTH_FAILED')
  })

  test('codes are not guessed, and what is no number is refused', async () => {
    const client_secret = `secret${secrets++}`
    const { sid } = (await ask('register', '07700900004', client_secret)).body
    const guesses = []
    for (let n = 0; n < 6; n++) guesses.push((await submit({ sid, client_secret, token: `guess${n}` })).status)
    expect(guesses).toEqual([200, 200, 200, 200, 200, 429])
    expect((await submit({ sid, client_secret: 'other', token: 'a' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await ask('register', '12', client_secret)).body.errcode).toBe('M_INVALID_PARAM')
    expect((await ask('register', 'seven', client_secret)).body.errcode).toBe('M_BAD_JSON')
  })
})

test('without an identity server for them, or while it is away, no number is proved', async () => {
  const body = { client_secret: 'secret', country: 'GB', phone_number: '07700900005', send_attempt: 1 }
  const answers: unknown[] = []
  for (const config of [{}, { msisdn: { identity_server: 'http://127.0.0.1:1', identity_token: 'x' } }]) {
    const server = await startTestServer(config)
    const { status, body: answer } = await server.call('POST', `${v3}/register/msisdn/requestToken`, { body })
    answers.push([status, answer.errcode])
    await server.stop()
  }
  expect(answers).toEqual([
    [400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED'],
    [503, 'M_UNKNOWN'],
  ])
})
