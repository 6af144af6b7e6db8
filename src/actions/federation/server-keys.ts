import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own, parseJson } from '../../core/json.ts'
import { keyCountsAt, readServerKeys, type ServerKey } from '../../core/server-keys.ts'
import { jsonSignatureHolds } from '../../core/sign.ts'
import { forgetOldestKeys, keepServerKey, keysOfServer } from '../../store/server-keys.ts'
import { write } from '../write.ts'

/** A server that did not answer is asked for its keys again after this time. */
const PAUSE_MS = 60_000
/**
 * One that did, whatever it said, is asked ten times at once and then every five seconds: anybody may send requests
 * with keys that it never had, in its name.
 */
const ANSWERED_MS = 5_000
const AT_ONCE_MS = 9 * ANSWERED_MS
/** Servers asked at the same time: whoever comes may name as many as they like, which may not answer. */
const ASKED_AT_ONCE = 200
const TIMEOUT_MS = 10_000
const NOTARY_BYTES_MAX = 1_048_576
/** Of one server's answer: some hundred keys. It is kept with each of the current ones, whoever names the server. */
const ANSWER_BYTES_MAX = 32_768
/** Keys of one server that are kept, the newest. */
const KEYS_KEPT = 200
const KEY_PATH = '/_matrix/key/v2/server'

/**
 * The public key with which a server signed at that time, or undefined. Keys that are unknown, or known not to reach
 * so far, are asked for: of the server itself, then of the notaries (the other way round unless the configuration
 * prefers it). `anyTime`: in room versions 1 to 4 validity does not matter.
 */
export async function serverKey(
  app: App,
  server: ServerName,
  keyId: string,
  atMs: number | 'anyTime',
): Promise<string | undefined> {
  if (server === app.serverName) return ownKey(app, keyId, atMs)
  const fits = (key: ServerKey) => key.keyId === keyId && (atMs === 'anyTime' || keyCountsAt(key, atMs))
  const known = await knownKeys(app, server)
  const found = known.find(fits) ?? (await askForKeys(app, server)).find(fits)
  return found?.publicKey
}

function ownKey(app: App, keyId: string, atMs: number | 'anyTime'): string | undefined {
  if (keyId === app.key.keyId) return app.key.publicKey
  const old = app.oldKeys.find((key) => key.keyId === keyId)
  return old !== undefined && (atMs === 'anyTime' || atMs <= old.expiredTs) ? old.publicKey : undefined
}

async function knownKeys(app: App, server: ServerName): Promise<readonly ServerKey[]> {
  const cached = app.live.serverKeys.known.get(server)
  if (cached !== undefined) return cached
  const stored = await keysOfServer(app.db, server)
  if (stored.length > 0) app.live.serverKeys.known.set(server, stored)
  return stored
}

/** Asks once, however many want to know. While too many servers are asked, no more are. */
export async function askForKeys(app: App, server: ServerName): Promise<readonly ServerKey[]> {
  const { asking, spentUntil } = app.live.serverKeys
  if ((spentUntil.get(server) ?? 0) > app.clock.now() + AT_ONCE_MS) return []
  if (asking.size >= ASKED_AT_ONCE && !asking.has(server)) return []
  const running = asking.get(server) ?? fetchKeys(app, server).finally(() => asking.delete(server))
  asking.set(server, running)
  return running
}

async function fetchKeys(app: App, server: ServerName): Promise<readonly ServerKey[]> {
  const notaries = app.config.federation_api.key_perspectives
  const direct = () => fromServer(app, server)
  const byNotary = notaries.map((notary) => () => fromNotary(app, notary, server))
  const ways = app.config.federation_api.prefer_direct_fetch ? [direct, ...byNotary] : [...byNotary, direct]
  let [found, answered]: [readonly ServerKey[], boolean] = [[], false]
  for (const ask of ways) {
    try {
      found = (await ask()) ?? []
      answered = true
      if (found.length > 0) break
    } catch (error) {
      app.log.debug({ server, err: error }, 'no keys')
    }
  }
  const { spentUntil } = app.live.serverKeys
  const now = app.clock.now()
  const spent = Math.max(spentUntil.get(server) ?? 0, now) + ANSWERED_MS
  spentUntil.set(server, answered ? spent : now + AT_ONCE_MS + PAUSE_MS)
  return found
}

async function fromServer(app: App, server: ServerName): Promise<readonly ServerKey[] | undefined> {
  const request = { destination: server, method: 'GET', uri: KEY_PATH, headers: {} }
  const reply = await app.remote.transport.send({ ...request, timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX })
  return reply.status === 200 ? keep(app, server, parseJson(reply.body)) : undefined
}

type Notary = App['config']['federation_api']['key_perspectives'][number]

/** A notary's answer counts when it bears the notary's signature by a key that the configuration names. */
async function fromNotary(app: App, notary: Notary, server: ServerName): Promise<readonly ServerKey[] | undefined> {
  const uri = `/_matrix/key/v2/query/${encodeURIComponent(server)}`
  const request = { destination: notary.server_name as ServerName, method: 'GET', uri, headers: {} }
  const reply = await app.remote.transport.send({ ...request, timeoutMs: TIMEOUT_MS, maxBytes: NOTARY_BYTES_MAX })
  const answer = reply.status === 200 ? parseJson(reply.body) : undefined
  const answers = isObject(answer) ? own(answer, 'server_keys') : undefined
  for (const item of Array.isArray(answers) ? (answers as readonly JsonValue[]) : []) {
    const trusted = (object: JsonObject) =>
      notary.keys.some((key) => jsonSignatureHolds(object, notary.server_name, key.key_id, key.public_key))
    const keys = isObject(item) && trusted(item) ? await keep(app, server, item) : undefined
    if (keys !== undefined) return keys
  }
  return undefined
}

async function keep(app: App, server: ServerName, answer: JsonValue): Promise<readonly ServerKey[] | undefined> {
  const keys = readServerKeys(answer, server, app.clock.now())
  if (keys === undefined) return undefined
  const response = canonicalJson(answer)
  if (Buffer.byteLength(response) > ANSWER_BYTES_MAX) return undefined
  const kept = keys.map((key) => keepServerKey(key, key.expiredTs === null ? response : null))
  await write(app, { guards: [], writes: [...kept, forgetOldestKeys(server, KEYS_KEPT)], log: [] })
  // Keys that the answer no longer names signed what is old: they stay known.
  const named = new Set(keys.map((key) => key.keyId))
  const others = (await keysOfServer(app.db, server)).filter((key) => !named.has(key.keyId))
  app.live.serverKeys.known.set(server, [...keys, ...others])
  return keys
}
