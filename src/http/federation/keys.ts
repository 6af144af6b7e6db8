import { Type } from '@sinclair/typebox'
import { askForKeys } from '../../actions/federation/server-keys.ts'
import type { App } from '../../app.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { publishedKeys } from '../../core/server-keys.ts'
import { signJson } from '../../core/sign.ts'
import { keyAnswersOf } from '../../store/server-keys.ts'
import { endpoint } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'

/** Servers asked about in one request. */
const SERVERS_MAX = 50
/** Answers of one server that are handed on. */
const ANSWERS_MAX = 10

const MinimumValidity = Type.Object({ minimum_valid_until_ts: Type.Optional(Type.Integer()) })

/** Server-Server API, "Publishing Keys". */
export const getServerKey = endpoint({
  method: 'GET',
  path: '/_matrix/key/v2/server',
  auth: 'none',
  async handle(app) {
    return ownKeys(app)
  },
})

/** Old servers name the key they want; we have one. */
export const getServerKeyById = endpoint({
  ...getServerKey,
  path: '/_matrix/key/v2/server/{keyId}',
})

/** Server-Server API, "Querying Keys Through Another Server". */
export const perspectivesKeyQuery = endpoint({
  method: 'GET',
  path: '/_matrix/key/v2/query/{serverName}',
  auth: 'none',
  rateLimit: 'other',
  params: Type.Object({ serverName: Type.String() }),
  query: MinimumValidity,
  async handle(app, { params, query }) {
    return { server_keys: await keysAbout(app, params.serverName, query.minimum_valid_until_ts ?? app.clock.now()) }
  },
})

/** Old servers name the key they want, or none behind the last slash. */
export const perspectivesKeyQueryById = endpoint({
  method: 'GET',
  path: '/_matrix/key/v2/query/{serverName}/{keyId}',
  auth: 'none',
  rateLimit: 'other',
  params: Type.Object({ serverName: Type.String(), keyId: Type.String() }),
  query: MinimumValidity,
  async handle(app, { params, query }) {
    const untilTs = query.minimum_valid_until_ts ?? app.clock.now()
    const keyIds = params.keyId === '' ? [] : [params.keyId]
    return { server_keys: await keysAbout(app, params.serverName, untilTs, keyIds) }
  },
})

export const bulkPerspectivesKeyQuery = endpoint({
  method: 'POST',
  path: '/_matrix/key/v2/query',
  auth: 'none',
  rateLimit: 'other',
  body: Type.Object({
    server_keys: mapOf(mapOf(MinimumValidity)),
  }),
  async handle(app, { body }) {
    const wanted = Object.entries(body.server_keys).slice(0, SERVERS_MAX)
    const answers = wanted.map(([server, keys]) => {
      const times = Object.values(keys).map((key) => key.minimum_valid_until_ts ?? app.clock.now())
      return keysAbout(app, server, times.length === 0 ? app.clock.now() : Math.max(...times), Object.keys(keys))
    })
    return { server_keys: (await Promise.all(answers)).flat() }
  },
})

function ownKeys(app: App): JsonObject {
  const until = app.clock.now() + app.config.global.key_validity_period
  return publishedKeys(app.serverName, app.key, app.oldKeys, until)
}

/**
 * What that server said of its keys, with our signature added: the newest answer, or those that name a key that is
 * asked for, the newest first. It is asked again when they do not reach far enough.
 */
async function keysAbout(
  app: App,
  server: string,
  untilTs: number,
  keyIds: readonly string[] = [],
): Promise<readonly JsonObject[]> {
  if (!isServerName(server)) return []
  if (server === app.serverName) return [ownKeys(app)]
  const known = await answersAbout(app, server, keyIds)
  const reaching = known.filter((answer) => Number(own(answer, 'valid_until_ts')) >= untilTs)
  const isNamed = (keyId: string) => reaching.some((answer) => names(answer, keyId))
  const suffices = reaching.length > 0 && keyIds.every(isNamed)
  if (!suffices) await askForKeys(app, server)
  const answers = suffices ? known : await answersAbout(app, server, keyIds)
  return answers.map((answer) => signJson(answer, app.serverName, app.key))
}

async function answersAbout(app: App, server: ServerName, keyIds: readonly string[]): Promise<readonly JsonObject[]> {
  const rows = await keyAnswersOf(app.db, server, ANSWERS_MAX)
  const answers = rows.map(({ response }) => parseJson(response)).filter(isObject)
  const naming = answers.filter((answer) => keyIds.some((keyId) => names(answer, keyId)))
  return naming.length > 0 ? naming : answers.slice(0, 1)
}

function names(answer: JsonObject, keyId: string): boolean {
  return ['verify_keys', 'old_verify_keys'].some((list) => {
    const keys = own(answer, list)
    return isObject(keys) && own(keys, keyId) !== undefined
  })
}
