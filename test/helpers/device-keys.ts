import type { JsonObject } from '../../src/core/json.ts'
import { generateSigningKey, type SigningKey, signingKeyFromSeed } from '../../src/core/keys.ts'
import { signJson } from '../../src/core/sign.ts'
import { systemRandom } from '../../src/live/time.ts'
import type { Account } from './server.ts'
import type { Json } from './session.ts'

/** Keys of a device as its client makes them, and the key that signed them. */
export interface TestDevice {
  readonly key: SigningKey
  readonly keys: Json
}

export function deviceKeysOf({ userId, deviceId }: Account, name = ''): TestDevice {
  const { seed } = generateSigningKey(systemRandom.bytes)
  const key = signingKeyFromSeed(`ed25519:${deviceId}`, seed)
  const unsigned = {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys: { [`curve25519:${deviceId}`]: `curve${name}`, [key.keyId]: key.publicKey },
  }
  return { key, keys: signJson(unsigned, userId, key) }
}

/** `one_time_keys` of an upload: signed_curve25519 keys with these ids. */
export function oneTimeKeys(ids: readonly string[], content = 'key'): Json {
  return Object.fromEntries(ids.map((id) => [`signed_curve25519:${id}`, { key: `${content} ${id}`, signatures: {} }]))
}

export interface CrossSigning {
  readonly master: SigningKey
  readonly selfSigning: SigningKey
  readonly userSigning: SigningKey
  /** The body of the upload. */
  readonly upload: { master_key: Json; self_signing_key: Json; user_signing_key: Json }
}

/** The three keys of a user, made as clients make them. */
export function crossSigningOf(userId: string): CrossSigning {
  const [master, selfSigning, userSigning] = [newKey(), newKey(), newKey()]
  const part = (usage: string, key: SigningKey): JsonObject => ({
    user_id: userId,
    usage: [usage],
    keys: { [key.keyId]: key.publicKey },
  })
  return {
    master,
    selfSigning,
    userSigning,
    upload: {
      master_key: part('master', master),
      self_signing_key: signJson(part('self_signing', selfSigning), userId, master),
      user_signing_key: signJson(part('user_signing', userSigning), userId, master),
    },
  }
}

/** A key whose id is its public half. */
function newKey(): SigningKey {
  const { seed, publicKey } = generateSigningKey(systemRandom.bytes)
  return signingKeyFromSeed(`ed25519:${publicKey}`, seed)
}
