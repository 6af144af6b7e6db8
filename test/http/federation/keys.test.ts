import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { askForKeys, serverKey } from '../../../src/actions/federation/server-keys.ts'
import { write } from '../../../src/actions/write.ts'
import type { ServerName } from '../../../src/core/ids.ts'
import { canonicalJson, type JsonObject } from '../../../src/core/json.ts'
import { generateSigningKey } from '../../../src/core/keys.ts'
import { KEY_AGE_MAX_MS, keyCountsAt, publishedKeys, readServerKeys } from '../../../src/core/server-keys.ts'
import { authorizationHeader, jsonSignatureHolds, signJson } from '../../../src/core/sign.ts'
import { sql } from '../../../src/db/sql.ts'
import { systemRandom } from '../../../src/live/time.ts'
import { keepServerKey } from '../../../src/store/server-keys.ts'
import { createTestNetwork, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'

let network: TestNetwork
let a: TestServer
let b: TestServer
beforeEach(async () => {
  network = createTestNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
})
afterEach(() => network.stop())

const keyRequests = () => network.carried.filter(({ uri }) => uri.startsWith('/_matrix/key/')).length

describe('published keys', () => {
  test('are signed by themselves and say how long they hold', async () => {
    const { body } = await a.call('GET', '/_matrix/key/v2/server')
    const key = a.app.key
    expect(body.server_name).toBe('a.example')
    expect(body.verify_keys).toEqual({ [key.keyId]: { key: key.publicKey } })
    expect(jsonSignatureHolds(body as JsonObject, 'a.example', key.keyId, key.publicKey)).toBe(true)
    expect(body.valid_until_ts).toBeGreaterThan(Date.now() + 3_600_000)
  })

  test('are fetched once, kept in the database, and counted up to the times that they name', async () => {
    const { keyId, publicKey } = a.app.key
    const now = b.app.clock.now()
    const name = 'a.example' as ServerName
    expect(await Promise.all([1, 2, 3].map(() => serverKey(b.app, name, keyId, now)))).toEqual(Array(3).fill(publicKey))
    expect(keyRequests()).toBe(1)
    b.app.live.serverKeys.known.clear()
    expect(await serverKey(b.app, name, keyId, now)).toBe(publicKey)
    expect(keyRequests()).toBe(1)
    expect(await serverKey(b.app, name, keyId, now + 30 * 24 * 3_600_000)).toBeUndefined()
    expect(await serverKey(b.app, name, 'ed25519:other', 'anyTime')).toBeUndefined()
    expect(await serverKey(b.app, name, keyId, 'anyTime')).toBe(publicKey)
  })

  test('a server is not asked again and again for keys that it has not, whoever names them', async () => {
    const send = async (n: number) => {
      const request = {
        method: 'PUT',
        uri: `/_matrix/federation/v1/send/${n}`,
        origin: 'a.example',
        destination: 'b.example',
      }
      const header = authorizationHeader(request, a.app.key).replace(/key="[^"]*"/, `key="ed25519:x${n}"`)
      return (await fetch(b.url + request.uri, { method: 'PUT', headers: { authorization: header } })).status
    }
    for (let n = 0; n < 8; n++) expect([n, await send(n)]).toEqual([n, 401])
    expect(keyRequests()).toBe(8)
    const query = '/_matrix/key/v2/query/a.example?minimum_valid_until_ts=9000000000000000'
    for (let n = 0; n < 8; n++) expect((await b.call('GET', query)).body.server_keys).toHaveLength(1)
    expect(keyRequests()).toBe(10)
  })

  test('servers that nobody knows, and that do not answer, are asked so many at a time', async () => {
    const { send } = network.transport
    let [asked, answer] = [0, () => {}]
    const late = new Promise<void>((resolve) => {
      answer = resolve
    })
    network.transport.send = async (request) => {
      asked++
      await late
      return send(request)
    }
    const ask = (name: string) => serverKey(b.app, name as ServerName, 'ed25519:x', 'anyTime')
    const waiting = Array.from({ length: 500 }, (_, index) => ask(`${index}.example`))
    await Promise.all(waiting.slice(200))
    expect(asked).toBe(200)
    answer()
    await Promise.all(waiting)
    network.transport.send = send
    expect(await serverKey(b.app, 'a.example' as ServerName, a.app.key.keyId, 'anyTime')).toBe(a.app.key.publicKey)
  })

  test('a server that is away is not asked again at once', async () => {
    network.cut('a.example', true)
    const name = 'a.example' as ServerName
    expect(await serverKey(b.app, name, a.app.key.keyId, 'anyTime')).toBeUndefined()
    network.cut('a.example', false)
    expect(await serverKey(b.app, name, a.app.key.keyId, 'anyTime')).toBeUndefined()
    expect(keyRequests()).toBe(0)
  })

  test('what a server says of its keys fills no disk', async () => {
    const key = generateSigningKey(systemRandom.bytes)
    const until = Date.now() + 3_600_000
    const old = (round: number) =>
      Array.from({ length: 150 }, (_, index) => ({ ...key, keyId: `ed25519:${round}_${index}`, expiredTs: index }))
    const kept = () =>
      b.app.db.read<{ keys: number; bytes: number }>(
        sql`SELECT COUNT(*) AS keys, COALESCE(SUM(LENGTH(response)), 0) AS bytes FROM server_keys`,
      )
    let content: JsonObject = { ...publishedKeys('a.example', key, [], until), padding: 'x'.repeat(40_000) }
    network.answer(({ uri }) => (uri.startsWith('/_matrix/key/') ? { status: 200, content } : undefined))
    const ask = async () => {
      b.app.live.serverKeys.spentUntil.clear()
      return (await askForKeys(b.app, 'a.example' as ServerName)).length
    }
    expect(await ask()).toBe(0)
    content = signJson({ ...content, signatures: {} }, 'a.example', key)
    expect(await ask()).toBe(0)
    for (let round = 0; round < 4; round++) {
      content = publishedKeys('a.example', key, old(round), until)
      expect(await ask()).toBe(101)
    }
    const [{ keys, bytes } = { keys: 0, bytes: 0 }] = await kept()
    expect([keys, bytes > 0 && bytes < 32_768]).toEqual([200, true])
    expect(await serverKey(b.app, 'a.example' as ServerName, key.keyId, Date.now())).toBe(key.publicKey)
  })

  test('a notary hands on what it was told of a key that its server has forgotten', async () => {
    const old = a.app.key.keyId
    const path = `/_matrix/key/v2/query/a.example/${encodeURIComponent(old)}`
    expect((await b.call('GET', path)).body.server_keys).toHaveLength(1)
    // From now on the server has another key.
    const key = generateSigningKey(systemRandom.bytes)
    const answer = publishedKeys('a.example', key, [], Date.now() + 3_600_000)
    const [fresh] = readServerKeys(answer, 'a.example', Date.now())!
    await write(b.app, { guards: [], writes: [keepServerKey(fresh!, canonicalJson(answer))], log: [] })
    const named = async (keyId: string) => {
      const body = { server_keys: { 'a.example': { [keyId]: {} } } }
      const reply = await b.call('POST', '/_matrix/key/v2/query', { body })
      return (reply.body.server_keys as JsonObject[]).map((keys) => Object.keys(keys.verify_keys as object))
    }
    expect([await named(old), await named(key.keyId)]).toEqual([[[old]], [[key.keyId]]])
  })

  test('a notary hands them on with its signature', async () => {
    const query = '/_matrix/key/v2/query'
    const one = await b.call('GET', `${query}/a.example`)
    const body = { server_keys: { 'a.example': {}, 'b.example': { x: {} }, 'none.example': {} } }
    const many = await b.call('POST', query, { body })
    const names = (reply: typeof one) => (reply.body.server_keys as JsonObject[]).map((keys) => keys.server_name)
    expect(names(one)).toEqual(['a.example'])
    expect(names(many)).toEqual(['a.example', 'b.example'])
    const [handed] = one.body.server_keys as JsonObject[]
    for (const { serverName, key } of [a.app, b.app])
      expect(jsonSignatureHolds(handed!, serverName, key.keyId, key.publicKey)).toBe(true)
  })
})

describe('an answer with keys', () => {
  const key = generateSigningKey(systemRandom.bytes)
  const other = generateSigningKey(systemRandom.bytes)
  const answer = publishedKeys('a.example', key, [{ ...other, expiredTs: 50 }], 1_000)

  test('is read', () => {
    expect(readServerKeys(answer, 'a.example', 7)).toEqual([
      {
        server: 'a.example',
        keyId: key.keyId,
        publicKey: key.publicKey,
        validUntilTs: 1_000,
        expiredTs: null,
        fetchedTs: 7,
      },
      {
        server: 'a.example',
        keyId: other.keyId,
        publicKey: other.publicKey,
        validUntilTs: null,
        expiredTs: 50,
        fetchedTs: 7,
      },
    ])
  })

  test.each([
    ['of another server', answer, 'b.example'],
    ['changed after it was signed', { ...answer, valid_until_ts: 2_000 }, 'a.example'],
    ['signed by an old key alone', signJson({ ...answer, signatures: {} }, 'a.example', other), 'a.example'],
    ['without a time', signJson({ ...answer, valid_until_ts: 'soon' }, 'a.example', key), 'a.example'],
    ['that is no object', 7, 'a.example'],
  ])('%s is refused', (_what, refused, server) => {
    expect(readServerKeys(refused as JsonObject, server, 7)).toBeUndefined()
  })

  test('counts to the millisecond', () => {
    const [current, old] = readServerKeys(answer, 'a.example', 7)!
    expect([1_000, 1_001].map((at) => keyCountsAt(current!, at))).toEqual([true, false])
    expect([50, 51].map((at) => keyCountsAt(old!, at))).toEqual([true, false])
    const boastful = { ...current!, validUntilTs: Number.MAX_SAFE_INTEGER }
    expect([KEY_AGE_MAX_MS + 7, KEY_AGE_MAX_MS + 8].map((at) => keyCountsAt(boastful, at))).toEqual([true, false])
  })
})

describe('a signed request', () => {
  const uri = '/_matrix/federation/v1/query/profile?user_id=%40alice%3Ab.example'

  test('is answered', async () => {
    await b.register('alice')
    await expect(network.ask(a, 'b.example', { method: 'GET', uri })).resolves.toEqual({ displayname: 'alice' })
  })

  test('for a type of query that nobody knows is refused as one', async () => {
    const unknown = '/_matrix/federation/v1/query/org.example.weather?town=Ys'
    const refusal = { status: 404, errcode: 'M_UNRECOGNIZED' }
    await expect(network.ask(a, 'b.example', { method: 'GET', uri: unknown })).rejects.toMatchObject(refusal)
  })

  test.each<[string, (header: string) => Record<string, string>, number]>([
    ['without a signature', () => ({}), 401],
    ['for another server', (header) => ({ authorization: header.replace('"b.example"', '"c.example"') }), 401],
    ['in the name of another', (header) => ({ authorization: header.replace('"a.example"', '"c.example"') }), 401],
    [
      'in the name of no server',
      (header) => ({ authorization: header.replace('"a.example"', '"a.example:http"') }),
      400,
    ],
    ['in our own name', (header) => ({ authorization: header.replace('"a.example"', '"b.example"') }), 401],
    ['with another key', (header) => ({ authorization: header.replace(/key="[^"]*"/, 'key="ed25519:x"') }), 401],
    ['with a forged signature', (header) => ({ authorization: header.replace(/sig="..../, 'sig="AAAA') }), 401],
    ['as it is', (header) => ({ authorization: header }), 200],
    [
      'without the destination in the header',
      (header) => ({ authorization: header.replace(/destination="[^"]*",/, '') }),
      200,
    ],
  ])('%s', async (_what, headersOf, status) => {
    await b.register('alice')
    const request = { method: 'GET', uri, origin: 'a.example', destination: 'b.example' }
    const headers = headersOf(authorizationHeader(request, a.app.key))
    const reply = await fetch(b.url + uri, { headers })
    expect(reply.status).toBe(status)
    if (status === 401) expect(await reply.json()).toMatchObject({ errcode: 'M_UNAUTHORIZED' })
  })

  test.each([
    ['with more bytes than its endpoint takes', 'POST', '/v1/user/keys/query', `{"x":"${'x'.repeat(1_024 * 1_024)}"}`],
    ['with a million values', 'PUT', '/v1/send/1', `[${'{},'.repeat(1_000_000)}{}]`],
    ['as deep as that', 'PUT', '/v1/send/1', `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`],
  ] as const)('%s is too large before its signature is looked at', async (_what, method, path, body) => {
    const uri = `/_matrix/federation${path}`
    const authorization = authorizationHeader({ method, uri, origin: 'a.example', destination: 'b.example' }, a.app.key)
    const reply = await fetch(b.url + uri, { method, headers: { authorization }, body })
    expect([reply.status, await reply.json()]).toEqual([413, expect.objectContaining({ errcode: 'M_TOO_LARGE' })])
  })

  test('that is answered with a million values and more is not answered', async () => {
    network.answer(() => ({ status: 200, content: { x: Array(1_000_001).fill(1) } }))
    const asked = (maxValues?: number) =>
      network.ask(a, 'b.example', { method: 'GET', uri: '/', ...(maxValues === undefined ? {} : { maxValues }) })
    await expect(asked()).rejects.toThrow('without a JSON object')
    await expect(asked(2_000_000)).resolves.toHaveProperty('x')
  })

  test('of a body covers every byte of its meaning', async () => {
    const query = { method: 'PUT', uri: '/_matrix/federation/v1/send/1', origin: 'a.example', destination: 'b.example' }
    const header = authorizationHeader({ ...query, content: { edus: [], pdus: [] } }, a.app.key)
    const body = canonicalJson({ edus: [], pdus: [{}] })
    const reply = await fetch(b.url + query.uri, { method: 'PUT', headers: { authorization: header }, body })
    expect([401, 404]).toContain(reply.status)
  })
})
