import { afterAll, expect, test, vi } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { linkIn, startMailServer } from '../helpers/mail-server.ts'
import { type Reply, startTestServer, TEST_PASSWORD } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const type = 'm.login.email.identity'
const mail = await startMailServer()
afterAll(() => mail.stop())

eachServer({ email: mail.config }, (server) => {
  let secrets = 0
  const newSecret = () => `secret.${secrets++}`

  const ask = (kind: string, email: string, client_secret: string, more: object = {}): Promise<Reply> =>
    server.call('POST', `${v3}/${kind}/email/requestToken`, {
      body: { email, client_secret, send_attempt: 1, ...more },
    })

  async function open(link: string): Promise<string> {
    const reply = await fetch(`${server.url}${link}`)
    expect(reply.headers.get('Content-Type')).toContain('text/html')
    return `${reply.status} ${await reply.text()}`
  }

  /** Presses the button of the page. */
  function confirm(link: string): Promise<Response> {
    const { pathname, searchParams } = new URL(link, server.url)
    return fetch(`${server.url}${pathname}`, { method: 'POST', body: searchParams, redirect: 'manual' })
  }

  /** Goes through mail and page: what a client shows to prove the address. */
  async function prove(kind: string, email: string): Promise<{ sid: string; client_secret: string }> {
    const client_secret = newSecret()
    const { body } = await ask(kind, email, client_secret)
    expect((await confirm(linkIn(await mail.next()))).status).toBe(200)
    return { sid: String(body.sid), client_secret }
  }

  const logIn = (identifier: object, password = TEST_PASSWORD) =>
    server.call('POST', `${v3}/login`, { body: { type: 'm.login.password', identifier, password } })

  async function registerWith(username: string, email: string): Promise<string> {
    const threepid_creds = await prove('register', email)
    const body = { username, password: TEST_PASSWORD, auth: { type, threepid_creds } }
    const made = await server.call('POST', `${v3}/register`, { body })
    expect([made.status, made.body.user_id]).toEqual([200, `@${username}:test.example`])
    return String(made.body.access_token)
  }

  test('an account is made with an address that the server has proved by mail', async () => {
    const body = { username: 'anna', password: TEST_PASSWORD }
    const first = await server.call('POST', `${v3}/register`, { body })
    expect(first.body.flows).toEqual([{ stages: ['m.login.dummy'] }, { stages: [type] }])
    const client_secret = newSecret()
    const { sid } = (await ask('register', 'Anna@Example.org', client_secret)).body
    const auth = { type, session: first.body.session, threepid_creds: { sid, client_secret } }
    const early = await server.call('POST', `${v3}/register`, { body: { ...body, auth } })
    expect([early.status, early.body.errcode]).toEqual([401, 'M_THREEPID_AUTH_FAILED'])

    const letter = await mail.next()
    expect([letter.from, letter.to]).toEqual(['matrix@test.example', 'anna@example.org'])
    expect(letter.subject).toBe('Confirm your address for test.example')
    const link = linkIn(letter)
    // Whatever follows links by itself proves nothing.
    expect(await open(link)).toContain('anna@example.org')
    expect((await server.call('POST', `${v3}/register`, { body: { ...body, auth } })).status).toBe(401)
    expect((await confirm(link)).status).toBe(200)
    expect((await confirm(link)).status).toBe(403)
    expect(await open(link)).toMatch(/^403 /)

    const made = await server.call('POST', `${v3}/register`, { body: { ...body, auth } })
    expect([made.status, made.body.user_id]).toEqual([200, '@anna:test.example'])
    const token = String(made.body.access_token)
    const { threepids } = (await server.call('GET', `${v3}/account/3pid`, { token })).body
    expect(threepids).toMatchObject([{ medium: 'email', address: 'anna@example.org' }])

    const other = { username: 'thief', password: TEST_PASSWORD, auth: { ...auth, session: undefined } }
    const again = await server.call('POST', `${v3}/register`, { body: other })
    expect([again.status, again.body.errcode]).toEqual([401, 'M_THREEPID_AUTH_FAILED'])
  })

  test('of two accounts made with one proof at once, one comes to be', async () => {
    const threepid_creds = await prove('register', 'both@example.org')
    const replies = await Promise.all(
      ['one', 'two'].map((username) =>
        server.call('POST', `${v3}/register`, {
          body: { username, password: TEST_PASSWORD, auth: { type, threepid_creds } },
        }),
      ),
    )
    expect(replies.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1)
    expect(
      await server.app.db.read(sql`SELECT 1 AS n FROM users WHERE user_id IN ('@one:test.example',
      '@two:test.example')`),
    ).toHaveLength(1)
  })

  test('who has an address logs in with it, in any case of letters, and nobody else', async () => {
    await registerWith('bert', 'bert@example.org')
    const thirdparty = { type: 'm.id.thirdparty', medium: 'email', address: 'BERT@example.ORG' }
    expect((await logIn(thirdparty)).body.user_id).toBe('@bert:test.example')
    for (const address of ['nobody@example.org', 'bert', '']) {
      const refused = await logIn({ ...thirdparty, address })
      expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    }
    expect((await logIn({ type: 'm.id.thirdparty' })).body.errcode).toBe('M_MISSING_PARAM')
    expect((await logIn({ type: 'm.id.phone' })).body.errcode).toBe('M_UNKNOWN')
  })

  test('a forgotten password is set anew by mail, once, and logs everybody out', async () => {
    const token = await registerWith('carl', 'carl@example.org')
    const threepid_creds = await prove('account/password', 'carl@example.org')
    const body = { new_password: 'a new password', auth: { type, threepid_creds } }
    const asked = await server.call('POST', `${v3}/account/password`, { body: { new_password: 'a new password' } })
    expect([asked.status, asked.body.flows]).toEqual([401, [{ stages: [type] }]])
    expect((await server.call('POST', `${v3}/account/password`, { body })).status).toBe(200)
    expect((await server.call('GET', `${v3}/account/whoami`, { token })).status).toBe(401)
    const user = { type: 'm.id.user', user: 'carl' }
    expect([(await logIn(user)).status, (await logIn(user, 'a new password')).status]).toEqual([403, 200])
    const again = await server.call('POST', `${v3}/account/password`, { body: { ...body, new_password: 'once more' } })
    expect([again.status, again.body.errcode]).toEqual([401, 'M_THREEPID_AUTH_FAILED'])
  })

  test('of two new passwords set with one proof at once, one counts', async () => {
    await registerWith('cora', 'cora@example.org')
    const auth = { type, threepid_creds: await prove('account/password', 'cora@example.org') }
    const passwords = ['the first password', 'the other password']
    const replies = await Promise.all(
      passwords.map((new_password) => server.call('POST', `${v3}/account/password`, { body: { new_password, auth } })),
    )
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    const logins = await Promise.all(passwords.map((password) => logIn({ type: 'm.id.user', user: 'cora' }, password)))
    expect(logins.map(({ status }) => status).sort()).toEqual([200, 403])
  })

  test('a proof is good for what it was asked for, with its secret, and for that address', async () => {
    await registerWith('dora', 'dora@example.org')
    const dora = await logIn({ type: 'm.id.user', user: 'dora' })
    const token = String(dora.body.access_token)
    const proof = await prove('account/3pid', 'second@example.org')
    const register = { username: 'fake', password: TEST_PASSWORD, auth: { type, threepid_creds: proof } }
    expect((await server.call('POST', `${v3}/register`, { body: register })).status).toBe(401)
    const reset = { new_password: 'a new password', auth: { type, threepid_creds: proof } }
    expect((await server.call('POST', `${v3}/account/password`, { body: reset })).status).toBe(401)
    const add = (body: object) => server.call('POST', `${v3}/account/3pid/add`, { token, body })
    const auth = { type: 'm.login.password', password: TEST_PASSWORD }
    expect((await add({ ...proof, client_secret: 'guess', auth })).body.errcode).toBe('M_THREEPID_AUTH_FAILED')
    expect((await add(proof)).status).toBe(401)
    expect((await add({ ...proof, auth })).status).toBe(200)
    expect((await add({ ...proof, auth })).body.errcode).toBe('M_THREEPID_AUTH_FAILED')

    const address = { medium: 'email', address: 'Second@example.org' }
    const removed = await server.call('POST', `${v3}/account/3pid/delete`, { token, body: address })
    expect(removed.body).toEqual({ id_server_unbind_result: 'no-support' })
    const { threepids } = (await server.call('GET', `${v3}/account/3pid`, { token })).body
    expect(threepids).toMatchObject([{ address: 'dora@example.org' }])
  })

  test('two users prove one address: the first to add it has it', async () => {
    const proofs = [
      await prove('account/3pid', 'shared@example.org'),
      await prove('account/3pid', 'shared@example.org'),
    ]
    const users = [await server.register('egon'), await server.register('frida')]
    const auth = { type: 'm.login.password', password: TEST_PASSWORD }
    const add = (n: number) =>
      server.call('POST', `${v3}/account/3pid/add`, { token: users[n]!.token, body: { ...proofs[n], auth } })
    expect((await add(0)).status).toBe(200)
    const refused = await add(1)
    expect([refused.status, refused.body.errcode]).toEqual([400, 'M_THREEPID_IN_USE'])
  })

  test('an address is proved on the page of the stage, without scripts', async () => {
    const body = { username: 'page', password: TEST_PASSWORD }
    const { session } = (await server.call('POST', `${v3}/register`, { body })).body
    const page = `${server.url}${v3}/auth/${type}/fallback/web?session=${encodeURIComponent(String(session))}`
    const submit = async (fields: Record<string, string>) => {
      const reply = await fetch(page, { method: 'POST', body: new URLSearchParams(fields) })
      return { status: reply.status, html: await reply.text() }
    }
    expect(await (await fetch(page)).text()).toContain('type="email"')
    expect((await submit({ email: 'nobody' })).status).toBe(400)
    const sent = await submit({ email: 'Page@example.org' })
    expect([sent.status, sent.html.includes('<strong>Page@example.org</strong>')]).toEqual([200, true])
    const hidden = [...sent.html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)]
    const fields = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]))
    const early = await submit(fields)
    expect([early.status, early.html.includes('role="alert"'), early.html.includes(fields.sid ?? '')]).toEqual([
      401,
      true,
      true,
    ])
    expect((await submit({ ...fields, client_secret: 'another' })).status).toBe(401)
    await confirm(linkIn(await mail.next()))
    expect((await submit(fields)).html).toContain('onAuthDone')
    const made = await server.call('POST', `${v3}/register`, { body: { auth: { session } } })
    expect([made.status, made.body.user_id]).toEqual([200, '@page:test.example'])
    const { threepids } = (await server.call('GET', `${v3}/account/3pid`, { token: String(made.body.access_token) }))
      .body
    expect(threepids).toMatchObject([{ medium: 'email', address: 'page@example.org' }])
  })

  test('an answer does not tell whether an address has an account: its mail does', async () => {
    await registerWith('gina', 'gina@example.org')
    for (const kind of ['register', 'account/3pid']) {
      expect((await ask(kind, 'gina@example.org', newSecret())).status).toBe(200)
      expect((await mail.next()).subject).toBe('You have an account on test.example')
    }
    const secret = newSecret()
    const reply = await ask('account/password', 'stranger@example.org', secret)
    expect(Object.keys(reply.body)).toEqual(['sid'])
    const letter = await mail.next()
    expect(letter.subject).toBe('No account with this address on test.example')
    expect(() => linkIn(letter)).toThrow('no link')
  })

  test('an attempt sends one mail, a later one another, and the newest link is the good one', async () => {
    const secret = newSecret()
    const first = await ask('register', 'hans@example.org', secret)
    const same = await Promise.all([1, 2].map(() => ask('register', 'HANS@example.org', secret)))
    expect(new Set([first, ...same].map(({ body }) => body.sid)).size).toBe(1)
    const old = linkIn(await mail.next())
    const count = mail.received.length
    await ask('register', 'hans@example.org', secret, { send_attempt: 2 })
    const newest = linkIn(await mail.next())
    expect(mail.received).toHaveLength(count + 1)
    expect([(await confirm(old)).status, (await confirm(newest)).status]).toEqual([403, 200])
    // It is proved: no more mails.
    await ask('register', 'hans@example.org', secret, { send_attempt: 3 })
    expect(mail.received).toHaveLength(count + 1)
  })

  test('nobody fills the mailbox of another', async () => {
    const replies: Reply[] = []
    for (let n = 0; n < 6; n++) replies.push(await ask('register', 'victim@example.org', newSecret()))
    for (let n = 0; n < 5; n++) await mail.next()
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429])
    expect(replies.at(-1)?.body.errcode).toBe('M_LIMIT_EXCEEDED')
  })

  test('a link and a proof end with their hour', async () => {
    const clock = vi.spyOn(server.app.clock, 'now')
    const later = (ms: number) => {
      const now = Date.now() + ms
      clock.mockImplementation(() => now)
    }
    await ask('register', 'ida@example.org', newSecret())
    const link = linkIn(await mail.next())
    later(3_600_000)
    expect((await confirm(link)).status).toBe(403)
    clock.mockRestore()
    const threepid_creds = await prove('register', 'ida@example.org')
    vi.spyOn(server.app.clock, 'now').mockImplementation(
      (
        (now) => () =>
          now
      )(Date.now() + 3_601_000),
    )
    const body = { username: 'ida', password: TEST_PASSWORD, auth: { type, threepid_creds } }
    const late = await server.call('POST', `${v3}/register`, { body })
    vi.restoreAllMocks()
    expect([late.status, late.body.errcode]).toEqual([401, 'M_THREEPID_AUTH_FAILED'])
  })

  test('a confirmed user is led on where the client said, unless that is no web page', async () => {
    const next_link = 'https://client.example/welcome?a=b'
    await ask('register', 'jan@example.org', newSecret(), { next_link })
    const link = linkIn(await mail.next())
    const page = await fetch(`${server.url}${link}`)
    expect(page.headers.get('Content-Security-Policy')).toContain("form-action 'self' https://client.example;")
    const done = await confirm(link)
    expect([done.status, done.headers.get('Location')]).toEqual([303, next_link])
    for (const bad of ['javascript:alert(1)', 'https://user@client.example/', 'client.example', 'ftp://a.example/']) {
      const refused = await ask('register', 'jan2@example.org', newSecret(), { next_link: bad })
      expect([refused.status, refused.body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test.each([
    [{ email: 'no address' }, 'M_INVALID_PARAM'],
    [{ email: 'a@b\r\nBcc: c@d' }, 'M_INVALID_PARAM'],
    [{ email: `${'a'.repeat(243)}@example.org` }, 'M_BAD_JSON'],
    [{ client_secret: '' }, 'M_BAD_JSON'],
    [{ client_secret: 'white space' }, 'M_BAD_JSON'],
    [{ client_secret: 'x'.repeat(256) }, 'M_BAD_JSON'],
    [{ send_attempt: -1 }, 'M_BAD_JSON'],
    [{ next_link: `https://a.example/${'x'.repeat(2_048)}` }, 'M_BAD_JSON'],
  ])('%j is refused with %s', async (wrong, errcode) => {
    const refused = await ask('register', 'kim@example.org', newSecret(), wrong)
    expect([refused.status, refused.body.errcode]).toEqual([400, errcode])
  })

  test('an address that the mail server refuses is told, and may be tried again', async () => {
    mail.refused.add('gone@example.org')
    const secret = newSecret()
    const refused = await ask('register', 'gone@example.org', secret)
    expect([refused.status, refused.body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    mail.refused.clear()
    expect((await ask('register', 'gone@example.org', secret)).status).toBe(200)
    expect((await mail.next()).to).toBe('gone@example.org')
  })

  test('with the account its addresses go', async () => {
    const token = await registerWith('lena', 'lena@example.org')
    const auth = { type: 'm.login.password', password: TEST_PASSWORD }
    expect((await server.call('POST', `${v3}/account/deactivate`, { token, body: { auth } })).status).toBe(200)
    await registerWith('lena2', 'lena@example.org')
  })

  test('the database has neither secrets nor tokens of mails', async () => {
    const secret = 'planted.secret'
    await ask('register', 'mia@example.org', secret)
    const token = new URL(linkIn(await mail.next()), server.url).searchParams.get('token') ?? ''
    const rows = JSON.stringify(await server.app.db.read(sql`SELECT * FROM threepid_sessions`))
    expect([rows.includes('mia@example.org'), rows.includes(secret), rows.includes(token)]).toEqual([
      true,
      false,
      false,
    ])
  })
})

test('a mail server that is away is a clear error, and the attempt counts for nothing', async () => {
  const away = await startMailServer()
  await away.stop()
  const server = await startTestServer({ email: away.config })
  const path = `${v3}/register/email/requestToken`
  const body = { email: 'a@b.example', client_secret: 'secret', send_attempt: 1 }
  const refused = await server.call('POST', path, { body })
  const left = await server.app.db.read(sql`SELECT sid FROM threepid_sessions`)
  const more = await server.call('POST', path, { body })
  await server.stop()
  expect([refused.status, refused.body.errcode, refused.headers.get('Retry-After')]).toEqual([503, 'M_UNKNOWN', '30'])
  expect([left, more.status]).toEqual([[], 503])
})

test('without a mail server no address is proved, and none gets mail of what is unread', async () => {
  const server = await startTestServer()
  const { token } = await server.register('reader')
  const names = { app_id: 'm.email', app_display_name: 'Mail', device_display_name: 'Mail', lang: 'en' }
  const pusher = { ...names, kind: 'email', pushkey: 'a@b.example', data: {} }
  const push = await server.call('POST', `${v3}/pushers/set`, { token, body: pusher })
  expect([push.status, push.body.error]).toEqual([400, 'This server sends no mail.'])
  for (const kind of ['register', 'account/password', 'account/3pid']) {
    const body = { email: 'a@b.example', client_secret: 'secret', send_attempt: 1 }
    const refused = await server.call('POST', `${v3}/${kind}/email/requestToken`, { body })
    expect([refused.status, refused.body.errcode]).toEqual([400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED'])
  }
  const reset = await server.call('POST', `${v3}/account/password`, { body: { new_password: 'a new password' } })
  await server.stop()
  expect([reset.status, reset.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
})
