import fc from 'fast-check'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'
import {
  generateSigningKey,
  publicKeyObject,
  readKeyPem,
  signingKeyFromSeed,
  verifySignature,
  writeKeyPem,
} from '../../src/core/keys.ts'

const SEED = Buffer.from('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1', 'base64')
const KEY = signingKeyFromSeed('ed25519:1', SEED)
const pem = (header: string, body: string) =>
  `-----BEGIN MATRIX PRIVATE KEY-----\n${header}\n\n${body}\n-----END MATRIX PRIVATE KEY-----\n`

describe('signing', () => {
  test('property: signs as tweetnacl does, and verifies what tweetnacl signed', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    fc.assert(
      fc.property(bytes(32), fc.string({ unit: 'grapheme' }), (seed, message) => {
        const key = signingKeyFromSeed('ed25519:a', seed)
        const pair = nacl.sign.keyPair.fromSeed(Uint8Array.from(seed))
        const oracle = Buffer.from(nacl.sign.detached(Uint8Array.from(Buffer.from(message)), pair.secretKey))
        expect(key.sign(message)).toBe(oracle.toString('base64').replace(/=+$/, ''))
        expect(key.sign(Buffer.from(message))).toBe(key.sign(message))
        expect(key.publicKey).toBe(Buffer.from(pair.publicKey).toString('base64').replace(/=+$/, ''))
        expect(verifySignature(key.publicKey, message, oracle.toString('base64'))).toBe(true)
        expect(verifySignature(key.publicKey, `${message}x`, oracle.toString('base64'))).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  test('refuses every changed bit of a signature', () => {
    const signature = Buffer.from(KEY.sign('message'), 'base64')
    for (let bit = 0; bit < 512; bit++) {
      const changed = Buffer.from(signature)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifySignature(KEY.publicKey, 'message', changed.toString('base64'))).toBe(false)
    }
  })

  test('malformed keys and signatures never verify', () => {
    const signature = KEY.sign('message')
    expect(verifySignature(KEY.publicKey, 'message', signature)).toBe(true)
    for (const bad of ['', 'x', '!!!', signature.slice(1), `${signature}AAAA`, ` ${signature}`, `${signature}\n`]) {
      expect(verifySignature(KEY.publicKey, 'message', bad)).toBe(false)
    }
    for (const bad of ['', 'AAAA', `${KEY.publicKey}AAAA`, `${KEY.publicKey}!`, 'A'.repeat(43)]) {
      expect(verifySignature(bad, 'message', signature)).toBe(false)
    }
    expect(publicKeyObject('AAAA')).toBeUndefined()
    expect(publicKeyObject(KEY.publicKey)).toBe(publicKeyObject(KEY.publicKey))
  })

  test('a seed has 32 bytes', () => {
    expect(() => signingKeyFromSeed('ed25519:a', new Uint8Array(31))).toThrow('31')
  })
})

describe('the key file', () => {
  test('comes back as it was written', () => {
    const text = writeKeyPem(KEY)
    expect(text).toBe(pem('Key-ID: ed25519:1', 'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0='))
    expect(readKeyPem(text)).toMatchObject({ keyId: 'ed25519:1', publicKey: KEY.publicKey })
    expect(Buffer.compare(readKeyPem(text).seed, SEED)).toBe(0)
  })

  test('may have other blocks before, other line ends, no padding, and the public key after the seed', () => {
    const other = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const long = Buffer.concat([SEED, Buffer.from(KEY.publicKey, 'base64')]).toString('base64')
    for (const text of [
      other + writeKeyPem(KEY),
      writeKeyPem(KEY).replaceAll('\n', '\r\n'),
      writeKeyPem(KEY).replace('=', ''),
      pem('Key-ID: ed25519:1', `${long.slice(0, 64)}\n${long.slice(64)}`),
      pem('Other: x\nKey-ID:ed25519:1', SEED.toString('base64')),
    ]) {
      expect(readKeyPem(text).publicKey).toBe(KEY.publicKey)
    }
  })

  test.each([
    ['nothing', '', 'BEGIN MATRIX PRIVATE KEY'],
    ['another kind', writeKeyPem(KEY).replaceAll('MATRIX ', ''), 'BEGIN MATRIX PRIVATE KEY'],
    ['cut off', writeKeyPem(KEY).slice(0, 90), 'END MATRIX PRIVATE KEY'],
    ['no id', pem('', SEED.toString('base64')), 'Key-ID'],
    ['another algorithm', pem('Key-ID: rsa:1', SEED.toString('base64')), 'rsa:1'],
    ['an id with a space', pem('Key-ID: ed25519:a b', SEED.toString('base64')), 'ed25519:a b'],
    ['no base64', pem('Key-ID: ed25519:1', '!!!!'), 'base64'],
    ['too short', pem('Key-ID: ed25519:1', 'AAAA'), '3 bytes'],
    ['halves of two keys', pem('Key-ID: ed25519:1', Buffer.alloc(64, 7).toString('base64')), 'private half'],
  ])('says what is wrong with it: %s', (_, text, message) => {
    expect(() => readKeyPem(text)).toThrow(message)
  })
})

test('an old key may have an id that is not allowed today', () => {
  const text = pem('Key-ID: ed25519:a-b', SEED.toString('base64'))
  expect(() => readKeyPem(text)).toThrow('ed25519:a-b')
  expect(readKeyPem(text, 'old').keyId).toBe('ed25519:a-b')
  expect(() => readKeyPem(text.replace('ed25519', 'rsa'), 'old')).toThrow('rsa:a-b')
})

test('a new key has a seed and an id that do not depend on each other', () => {
  const asked: number[] = []
  const key = generateSigningKey((n) => {
    asked.push(n)
    return new Uint8Array(n).fill(asked.length === 1 ? 7 : 27)
  })
  expect(asked).toEqual([32, 4])
  expect(key.keyId).toBe('ed25519:auto_bbbb')
  expect(key.publicKey).toBe(signingKeyFromSeed('ed25519:x', new Uint8Array(32).fill(7)).publicKey)
})
