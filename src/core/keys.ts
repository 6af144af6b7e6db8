import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import nacl from 'tweetnacl'

/** An ed25519 key with which this server signs. */
export interface SigningKey {
  /** `ed25519:` and a name. */
  readonly keyId: string
  /** Unpadded base64. */
  readonly publicKey: string
  /** 32 bytes. */
  readonly seed: Uint8Array
  /** The signature of the message's UTF-8 bytes, in unpadded base64. */
  sign(message: string | Uint8Array): string
}

const SEED_BYTES = 32
const PUBLIC_KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const KEY_ID = /^ed25519:[a-zA-Z0-9_]+$/
const OLD_KEY_ID = /^ed25519:\S+$/
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const PEM_BEGIN = '-----BEGIN MATRIX PRIVATE KEY-----'
const PEM_END = '-----END MATRIX PRIVATE KEY-----'
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
/** Keys of remote servers that stay decoded; the one that came first goes first. */
const PUBLIC_KEYS_MAX = 10_000
const publicKeys = new Map<string, KeyObject>()

/** Throws Error for a seed that has not 32 bytes. */
export function signingKeyFromSeed(keyId: string, seed: Uint8Array): SigningKey {
  if (seed.length !== SEED_BYTES) throw new Error(`A signing key has ${SEED_BYTES} bytes, not ${seed.length}`)
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const publicKey = unpaddedBase64(spki.subarray(SPKI_PREFIX.length))
  return {
    keyId,
    publicKey,
    seed,
    sign: (message) => unpaddedBase64(sign(null, bytesOf(message), privateKey)),
  }
}

/** A new key. Its id is random by itself and says nothing about the seed. */
export function generateSigningKey(randomBytes: (n: number) => Uint8Array): SigningKey {
  const seed = randomBytes(SEED_BYTES)
  const letters = [...randomBytes(4)].map((byte) => String.fromCharCode(0x61 + (byte % 26)))
  return signingKeyFromSeed(`ed25519:auto_${letters.join('')}`, seed)
}

/**
 * Reads the first `MATRIX PRIVATE KEY` block of a PEM file. Keys that are no longer used may have any id. Throws Error
 * that says what is wrong with the file.
 */
export function readKeyPem(text: string, use: 'current' | 'old' = 'current'): SigningKey {
  const fileLines = text.split('\n').map((line) => line.trim())
  const begin = fileLines.indexOf(PEM_BEGIN)
  if (begin < 0) throw new Error(`The file has no line "${PEM_BEGIN}"`)
  const end = fileLines.indexOf(PEM_END, begin)
  if (end < 0) throw new Error(`The file has no line "${PEM_END}"`)
  const lines = fileLines.slice(begin + 1, end)
  const headers = lines.filter((line) => line.includes(':'))
  const keyId = headers
    .find((line) => /^key-id:/i.test(line))
    ?.slice('key-id:'.length)
    .trim()
  if (keyId === undefined) throw new Error('The key has no header "Key-ID: ed25519:…"')
  if (!(use === 'old' ? OLD_KEY_ID : KEY_ID).test(keyId))
    throw new Error(`The key id "${keyId}" is not "ed25519:" and letters, digits or "_"`)
  const body = lines.filter((line) => line !== '' && !line.includes(':')).join('')
  if (!BASE64.test(body)) throw new Error('The key is not base64')
  return signingKeyFromSeed(keyId, seedOf(Buffer.from(body, 'base64')))
}

export function writeKeyPem(key: SigningKey): string {
  const body = Buffer.from(key.seed).toString('base64')
  return `-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ${key.keyId}\n\n${body}\n-----END MATRIX PRIVATE KEY-----\n`
}

/** Whether the signature is the key's. False for keys and signatures that are malformed. */
export function verifySignature(publicKey: string, message: string | Uint8Array, signature: string): boolean {
  const check = signatureCheck(publicKey, message, signature)
  return check !== undefined && verify(null, check.bytes, check.key, check.signature)
}

/** A check of a signature as node:crypto takes it, for its thread pool too. */
export interface SignatureCheck {
  readonly bytes: Uint8Array
  readonly key: KeyObject
  readonly signature: Uint8Array
}

/** Undefined for keys and signatures that are malformed. */
export function signatureCheck(
  publicKey: string,
  message: string | Uint8Array,
  signature: string,
): SignatureCheck | undefined {
  const signatureBytes = decoded(signature, SIGNATURE_BYTES)
  const key = publicKeyObject(publicKey)
  if (signatureBytes === undefined || key === undefined) return undefined
  return { bytes: bytesOf(message), key, signature: signatureBytes }
}

/** The key as node:crypto wants it; undefined if it is malformed. */
export function publicKeyObject(publicKey: string): KeyObject | undefined {
  const known = publicKeys.get(publicKey)
  if (known !== undefined) return known
  const bytes = decoded(publicKey, PUBLIC_KEY_BYTES)
  if (bytes === undefined) return undefined
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' })
  const [oldest] = publicKeys.keys()
  if (publicKeys.size >= PUBLIC_KEYS_MAX && oldest !== undefined) publicKeys.delete(oldest)
  publicKeys.set(publicKey, key)
  return key
}

/** Some files hold the seed with the public key after it. */
function seedOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length === SEED_BYTES) return bytes
  if (bytes.length !== SEED_BYTES + PUBLIC_KEY_BYTES) {
    throw new Error(`The key has ${bytes.length} bytes, not ${SEED_BYTES}`)
  }
  const seed = bytes.subarray(0, SEED_BYTES)
  const { publicKey } = nacl.sign.keyPair.fromSeed(Uint8Array.from(seed))
  if (Buffer.compare(publicKey, bytes.subarray(SEED_BYTES)) !== 0) {
    throw new Error('The public half of the key does not belong to its private half')
  }
  return seed
}

function decoded(base64: string, length: number): Buffer | undefined {
  if (!BASE64.test(base64)) return undefined
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length === length ? bytes : undefined
}

function bytesOf(message: string | Uint8Array): Uint8Array {
  return typeof message === 'string' ? Buffer.from(message, 'utf8') : message
}

function unpaddedBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
