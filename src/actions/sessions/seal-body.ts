import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import type { App } from '../../app.ts'
import { canonicalJson, isObject, type JsonObject, parseJson } from '../../core/json.ts'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * What a session remembers, as the body of a registration, which has the password in it: the key is made of the
 * session's id, and the database has the hash of that alone.
 */
export function sealBody(app: App, id: string, body: JsonObject): string {
  const iv = app.random.bytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, keyOf(id), iv)
  const sealed = [cipher.update(canonicalJson(body), 'utf8'), cipher.final()]
  return Buffer.concat([iv, cipher.getAuthTag(), ...sealed]).toString('base64url')
}

export function openBody(id: string, sealed: string): JsonObject {
  const bytes = Buffer.from(sealed, 'base64url')
  const decipher = createDecipheriv(CIPHER, keyOf(id), bytes.subarray(0, IV_BYTES))
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  const body = parseJson(Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]))
  return isObject(body) ? body : {}
}

function keyOf(id: string): Buffer {
  return Buffer.from(hkdfSync('sha256', id, '', 'registration', KEY_BYTES))
}
