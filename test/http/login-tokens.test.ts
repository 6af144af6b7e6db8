import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { setPassword } from '../../src/actions/accounts/set-password.ts'
import { hashToken } from '../../src/actions/sessions/session-tokens.ts'
import { write } from '../../src/actions/write.ts'
import { configFrom } from '../../src/config/load.ts'
import { devicesOf } from '../../src/store/devices.ts'
import { insertLoginToken } from '../../src/store/login-tokens.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD, type TestServer } from '../helpers/server.ts'
import { enter, enterAsAdmin } from '../helpers/session.ts'

const GET_TOKEN = '/_matrix/client/v1/login/get_token'
const LOGIN = '/_matrix/client/v3/login'
const auth = { type: 'm.login.password', password: TEST_PASSWORD }

function logInWith(server: TestServer, token: string, type = 'm.login.token') {
  return server.call('POST', LOGIN, { body: { type, token, device_id: 'NEW' } })
}

eachServer({}, (server) => {
  test('a user gives one more device a token, which works once', async () => {
    const alice = await enter(server, 'alice')
    const { flows } = (await server.call('GET', LOGIN)).body
    expect(flows).toContainEqual({ type: 'm.login.token', get_login_token: true })
    expect((await alice.get('/capabilities')).capabilities['m.get_login_token']).toEqual({ enabled: true })
    expect(await alice.refusal('POST', GET_TOKEN, {})).toBe('401 M_UNAUTHORIZED')
    expect(await alice.refusal('POST', GET_TOKEN, { auth: { ...auth, password: 'wrong' } })).toBe('401 M_FORBIDDEN')
    const { login_token: token, expires_in_ms: expiresInMs } = await alice.post(GET_TOKEN, { auth })
    expect(expiresInMs).toBe(120_000)
    const replies = await Promise.all(Array.from({ length: 10 }, () => logInWith(server, token)))
    const good = replies.filter(({ status }) => status === 200)
    expect(good.map(({ body }) => [body.user_id, body.device_id])).toEqual([[alice.userId, 'NEW']])
    expect(replies.filter(({ body }) => body.errcode === 'M_FORBIDDEN')).toHaveLength(9)
  })

  test('a token that is too old, invented or left out lets nobody in', async () => {
    const bob = await enter(server, 'bob')
    const { app } = server
    const nowMs = app.clock.now()
    const writes = insertLoginToken(hashToken('old'), bob.userId, nowMs - 1, nowMs)
    await write(app, { guards: [], writes, log: [] })
    expect((await logInWith(server, 'old')).body.errcode).toBe('M_FORBIDDEN')
    expect((await logInWith(server, 'invented')).body.errcode).toBe('M_FORBIDDEN')
    const without = await server.call('POST', LOGIN, { body: { type: 'm.login.token' } })
    expect(without.body.errcode).toBe('M_MISSING_PARAM')
    expect((await logInWith(server, 'x', 'org.matrix.login.jwt')).body.errcode).toBe('M_UNKNOWN')
  })

  test('a new password ends login tokens too, and who logs in with the old one at that moment', async () => {
    const [dave, { app }] = [await enter(server, 'dave'), server]
    const { login_token: token } = await dave.post(GET_TOKEN, { auth })
    const hasher = app.live.passwordHasher
    const verify = async (password: string, hash: string | null) => {
      const right = await hasher.verify(password, hash)
      await setPassword(app, dave.userId, 'quite another password', null)
      return right
    }
    Object.assign(app.live, { passwordHasher: { ...hasher, verify } })
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'dave' }, password: TEST_PASSWORD }
    const late = await server.call('POST', LOGIN, { body }).finally(() => {
      Object.assign(app.live, { passwordHasher: hasher })
    })
    expect([late.status, late.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    expect((await logInWith(server, token)).body.errcode).toBe('M_FORBIDDEN')
    expect(await devicesOf(app.db, dave.userId)).toEqual([])
  })

  test('the token of an account that was locked meanwhile lets nobody in', async () => {
    const [carol, admin] = [await enter(server, 'carol'), await enterAsAdmin(server, 'root')]
    const { login_token: token } = await carol.post(GET_TOKEN, { auth })
    await admin.put(`/_matrix/client/v1/admin/lock/${carol.userId}`, { locked: true })
    expect((await logInWith(server, token)).body.errcode).toBe('M_USER_LOCKED')
  })
})

const secret = 'a secret that is long enough for everybody'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const publicKey = String(rsa.publicKey.export({ type: 'spki', format: 'pem' }))
const issued = { iss: 'https://idp.example', aud: ['matrix', 'mail'], name: 'Dora the Explorer' }

function hmac(claims: object, key = secret, alg = 'HS256') {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg }).sign(Buffer.from(key))
}

describe('a JSON Web Token', () => {
  const jwt = { enabled: true, secret, issuer: issued.iss, audiences: ['matrix'], display_name_claim: 'name' }

  eachServer({ jwt, get_login_token: { enabled: false } }, (server) => {
    const enterWith = async (token: string) => {
      const { status, body } = await logInWith(server, token, 'org.matrix.login.jwt')
      return status === 200 ? body.user_id : `${status} ${body.errcode}`
    }

    test('of the configured key makes the account once and logs in', async () => {
      expect((await server.call('GET', LOGIN)).body.flows).toEqual([
        { type: 'm.login.password' },
        { type: 'org.matrix.login.jwt' },
      ])
      const token = await hmac({ ...issued, sub: 'dora' })
      const first = await Promise.all([enterWith(token), enterWith(token), enterWith(token)])
      expect(first).toEqual(Array(3).fill('@dora:test.example'))
      const profile = await server.call('GET', '/_matrix/client/v3/profile/@dora:test.example')
      expect(profile.body.displayname).toBe('Dora the Explorer')
    })

    test('of another key, algorithm, issuer or audience is refused, and one too old or without a user', async () => {
      const sub = 'mallory'
      const claims = { ...issued, sub }
      const unsigned = [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      const refused = [
        hmac(claims, 'another secret of the same length, or so'),
        hmac(claims, secret, 'HS512'),
        hmac({ ...claims, iss: 'https://evil.example' }),
        hmac({ ...claims, aud: 'mail' }),
        hmac({ ...claims, exp: Math.floor(server.app.clock.now() / 1_000) - 10 }),
        hmac({ ...claims, nbf: Math.floor(server.app.clock.now() / 1_000) + 600 }),
        hmac(issued),
        hmac({ ...issued, sub: 'Mallory:elsewhere.example' }),
        hmac({ ...issued, sub: 7 }),
        `${unsigned.join('.')}.`,
        'nonsense',
      ]
      for (const [index, token] of refused.entries()) {
        expect([index, await enterWith(await token)]).toEqual([index, '403 M_FORBIDDEN'])
      }
      expect((await server.call('GET', '/_matrix/client/v3/profile/@mallory:test.example')).status).toBe(404)
    })

    test('is the only token where the others are switched off', async () => {
      const erin = await enter(server, 'erin')
      expect(await erin.refusal('POST', GET_TOKEN, { auth })).toBe('404 M_UNRECOGNIZED')
      expect((await erin.get('/capabilities')).capabilities['m.get_login_token']).toEqual({ enabled: false })
      expect((await logInWith(server, 'x')).body.errcode).toBe('M_UNKNOWN')
    })
  })

  eachServer({ jwt: { enabled: true, algorithm: 'RS256', public_key: publicKey } }, (server) => {
    test('may be of a public key, which is no shared secret', async () => {
      const signed = await new SignJWT({ sub: 'frank' }).setProtectedHeader({ alg: 'RS256' }).sign(rsa.privateKey)
      expect((await logInWith(server, signed, 'org.matrix.login.jwt')).body.user_id).toBe('@frank:test.example')
      const confused = await hmac({ sub: 'frank' }, publicKey)
      expect((await logInWith(server, confused, 'org.matrix.login.jwt')).body.errcode).toBe('M_FORBIDDEN')
    })
  })

  test('needs a key worth the name', () => {
    const global = { server_name: 'test.example' }
    const load = (jwt: object) => () => configFrom({ version: 2, global, client_api: { jwt } })
    expect(load({ enabled: true })).toThrow('client_api.jwt.secret')
    expect(load({ enabled: true, secret: 'short' })).toThrow('client_api.jwt.secret')
    expect(load({ enabled: true, secret, algorithm: 'ES256' })).toThrow('client_api.jwt.public_key')
  })
})
