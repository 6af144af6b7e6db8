import { describe, expect, test } from 'vitest'
import type { Event } from '../../src/core/event.ts'
import { contentHash, contentHashHolds, eventIdOf, referenceHash } from '../../src/core/hash.ts'
import { type JsonObject, type JsonValue, own, parseJson } from '../../src/core/json.ts'
import { signingKeyFromSeed } from '../../src/core/keys.ts'
import { ROOM_VERSIONS } from '../../src/core/room-version.ts'
import {
  authorizationHeader,
  jsonSignatureHolds,
  parseAuthorization,
  pduSignatureHolds,
  requestToSign,
  requiredSigners,
  signaturesOf,
  signJson,
  signPdu,
} from '../../src/core/sign.ts'
import vectors from './vectors/events.json' with { type: 'json' }

const SEED = Buffer.from('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1', 'base64')
const KEY = signingKeyFromSeed('ed25519:1', SEED)
const V1 = ROOM_VERSIONS.get('1')!
const V11 = ROOM_VERSIONS.get('11')!
const signatureIn = (object: JsonObject) => signaturesOf(object, 'domain')

describe('the vectors of the specification', () => {
  test.each([
    [{}, 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'],
    [{ one: 1, two: 'Two' }, 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw'],
  ])('signed JSON: %j', (object: JsonObject, signature) => {
    const signed = signJson(object, 'domain', KEY)
    expect(signed).toEqual({ ...object, signatures: { domain: { 'ed25519:1': signature } } })
    expect(jsonSignatureHolds(signed, 'domain', 'ed25519:1', KEY.publicKey)).toBe(true)
  })

  test.each([
    [
      'a small event',
      {
        room_id: '!x:domain',
        sender: '@a:domain',
        origin: 'domain',
        origin_server_ts: 1000000,
        signatures: {},
        hashes: {},
        type: 'X',
        content: {},
        prev_events: [],
        auth_events: [],
        depth: 3,
        unsigned: { age_ts: 1000000 },
      },
      '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos',
      'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
    ],
    [
      'an event with content that redaction drops',
      {
        content: { body: 'Here is the message content' },
        event_id: '$0:domain',
        origin: 'domain',
        origin_server_ts: 1000000,
        type: 'm.room.message',
        room_id: '!r:domain',
        sender: '@u:domain',
        signatures: {},
        unsigned: { age_ts: 1000000 },
      },
      'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g',
      'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
    ],
  ])('%s', (_, pdu: JsonObject, hash, signature) => {
    expect(contentHash(pdu)).toBe(hash)
    const signed = signPdu(V1, { ...pdu, hashes: { sha256: hash } }, 'domain', KEY)
    expect(signatureIn(signed)).toEqual([['ed25519:1', signature]])
    expect(pduSignatureHolds(V1, signed, 'domain', 'ed25519:1', KEY.publicKey)).toBe(true)
  })
})

test('agrees with signedjson of PyPI on 50 events', () => {
  expect(vectors.length).toBe(50)
  for (const vector of vectors) {
    const pdu = parseJson(vector.source) as JsonObject
    const key = signingKeyFromSeed(vector.keyId, Buffer.from(vector.seed, 'base64'))
    expect(key.publicKey).toBe(vector.publicKey)
    expect(contentHash(pdu)).toBe(own(own(pdu, 'hashes') as JsonObject, 'sha256'))
    expect(eventIdOf(V11, pdu)).toBe(vector.eventId)
    expect(Buffer.from(referenceHash(V11, pdu)).toString('base64url')).toBe(vector.eventId.slice(1))
    expect(pduSignatureHolds(V11, pdu, vector.serverName, vector.keyId, vector.publicKey)).toBe(true)
    const { signatures, ...unsigned } = pdu
    expect(own(signPdu(V11, unsigned, vector.serverName, key), 'signatures')).toEqual(signatures)
    const asJson = signaturesOf(signJson(unsigned, vector.serverName, key), vector.serverName)
    expect(asJson).toEqual([[vector.keyId, vector.signatureAsJson]])
  }
})

test('a content hash holds for its content only, padded or not', () => {
  const pdu = { content: { a: 1 }, unsigned: {} }
  const sha256 = contentHash(pdu)
  expect(contentHashHolds({ ...pdu, hashes: { sha256 } })).toBe(true)
  expect(contentHashHolds({ ...pdu, hashes: { sha256: `${sha256}=` }, signatures: {}, unsigned: { a: 1 } })).toBe(true)
  expect(contentHashHolds({ ...pdu, hashes: { sha256 }, content: { a: 2 } })).toBe(false)
  for (const hashes of [null, 'x', [], {}, { sha256: 1 }, { sha256: '' }]) {
    expect(contentHashHolds({ ...pdu, hashes: hashes as JsonValue })).toBe(false)
  }
})

describe('signatures of JSON objects', () => {
  test('stand beside those of others, and leave unsigned out', () => {
    const first = signJson({ a: 1, unsigned: { age: 1 } }, 'domain', KEY)
    const second = signJson({ ...first, unsigned: { age: 2 } }, 'other', signingKeyFromSeed('ed25519:2', SEED))
    expect(jsonSignatureHolds(second, 'domain', 'ed25519:1', KEY.publicKey)).toBe(true)
    expect(jsonSignatureHolds(second, 'other', 'ed25519:2', KEY.publicKey)).toBe(true)
    expect(own(second, 'unsigned')).toEqual({ age: 2 })
  })

  test('do not hold for another name, key or object', () => {
    const signed = signJson({ a: 1 }, 'domain', KEY)
    expect(jsonSignatureHolds(signed, 'other', 'ed25519:1', KEY.publicKey)).toBe(false)
    expect(jsonSignatureHolds(signed, 'domain', 'ed25519:2', KEY.publicKey)).toBe(false)
    expect(jsonSignatureHolds({ ...signed, a: 2 }, 'domain', 'ed25519:1', KEY.publicKey)).toBe(false)
  })

  test.each([
    [undefined],
    [null],
    ['x'],
    [[]],
    [{ domain: 'x' }],
    [{ domain: { 'ed25519:1': 5 } }],
    [{ domain: { 'rsa:1': 'AA' } }],
  ])('may be malformed: %j', (signatures: JsonValue | undefined) => {
    const object: JsonObject = signatures === undefined ? {} : { signatures }
    expect(signatureIn(object)).toEqual([])
    expect(jsonSignatureHolds(object, 'domain', 'ed25519:1', KEY.publicKey)).toBe(false)
  })

  test('may be of a server that calls itself __proto__', () => {
    const signed = signJson({}, '__proto__', KEY)
    expect(jsonSignatureHolds(signed, '__proto__', 'ed25519:1', KEY.publicKey)).toBe(true)
    expect(jsonSignatureHolds(signed, 'constructor', 'name', KEY.publicKey)).toBe(false)
  })
})

describe('requiredSigners', () => {
  const event = (version: string, eventId: string, type: string, content: JsonObject) =>
    ({ version: ROOM_VERSIONS.get(version)!, eventId, type, content, sender: '@a:one:80' }) as unknown as Event
  const join = { membership: 'join', join_authorised_via_users_server: '@b:two' }

  test.each([
    ['11', '$x', 'm.room.message', {}, ['one:80']],
    ['11', '$x:three', 'm.room.message', {}, ['one:80']],
    ['2', '$x:three', 'm.room.message', {}, ['one:80', 'three']],
    ['1', '$x:one:80', 'm.room.message', {}, ['one:80']],
    ['8', '$x', 'm.room.member', join, ['one:80', 'two']],
    ['7', '$x', 'm.room.member', join, ['one:80']],
    ['8', '$x', 'm.room.member', { ...join, membership: 'leave' }, ['one:80', 'two']],
    ...['@b', '', null, ['@b:two'], { toString: '@b:two' }].map(
      (voucher): [string, string, string, JsonObject, string[]] => [
        '8',
        '$x',
        'm.room.member',
        { membership: 'join', join_authorised_via_users_server: voucher },
        ['one:80', ''],
      ],
    ),
    ['8', '$x', 'm.room.message', join, ['one:80']],
    ['8', '$x', 'm.room.member', { membership: 'invite', third_party_invite: {} }, []],
    ['1', '$x:three', 'm.room.member', { membership: 'invite', third_party_invite: {} }, ['three']],
    ['8', '$x', 'm.room.member', { membership: 'join', third_party_invite: {} }, ['one:80']],
  ])('version %s, %s, %s, %j', (version, eventId, type, content: JsonObject, signers) => {
    expect(requiredSigners(event(version, eventId, type, content))).toEqual(signers)
  })
})

describe('X-Matrix', () => {
  const request = { method: 'PUT', uri: '/_matrix/x?a=b', origin: 'domain', destination: 'other:80', content: { a: 1 } }

  test('the header of a request reads back and holds', () => {
    const parsed = parseAuthorization(authorizationHeader(request, KEY))
    expect(parsed).toMatchObject({ origin: 'domain', destination: 'other:80', keyId: 'ed25519:1' })
    const signed = { ...requestToSign(request), signatures: { domain: { 'ed25519:1': parsed?.signature ?? '' } } }
    expect(jsonSignatureHolds(signed, 'domain', 'ed25519:1', KEY.publicKey)).toBe(true)
    for (const other of [
      { ...request, method: 'GET' },
      { ...request, destination: 'x' },
      { ...request, content: {} },
    ]) {
      const changed = { ...requestToSign(other), signatures: signed.signatures }
      expect(jsonSignatureHolds(changed, 'domain', 'ed25519:1', KEY.publicKey)).toBe(false)
    }
  })

  test('a request without a body signs none', () => {
    expect(requestToSign({ ...request, content: undefined })).not.toHaveProperty('content')
  })

  test.each([
    'X-Matrix origin=domain,key="ed25519:1",sig="AB+/",destination="other:80"',
    'x-matrix   Origin="domain" , KEY="ed25519:1",sig=AB+/ ,destination=other:80,unknown="x, \\"y\\""',
    'X-Matrix origin="do\\main",key="ed25519\\:1",sig="AB+/",destination="other:80"',
    'X-Matrix origin=domain,key=ed25519:1,sig=AB+/,destination=other:80',
  ])('reads %s', (header) => {
    expect(parseAuthorization(header)).toEqual({
      origin: 'domain',
      destination: 'other:80',
      keyId: 'ed25519:1',
      signature: 'AB+/',
    })
  })

  test('old servers name no destination', () => {
    expect(parseAuthorization('X-Matrix origin=a,key=b,sig=c')).toMatchObject({ destination: undefined })
  })

  test.each([
    '',
    'Bearer x',
    'X-Matrix',
    'X-Matrix ',
    'X-Matrix origin=a,key=b',
    'X-Matrix origin="a,key=b,sig=c',
    'X-Matrix origin=a b,key=b,sig=c',
    'X-Matrix origin="a/b",key=b,sig=c',
    'X-Matrix origin=a,key=b,sig=c,destination="?"',
    `X-Matrix origin=a,key=b,sig=${'c'.repeat(5000)}`,
    'X-Matrixorigin=a,key=b,sig=c',
    'X-Matrix origin=a,origin=b,key=b,sig=c',
  ])('refuses %s', (header) => {
    expect(parseAuthorization(header)).toBeUndefined()
  })
})
