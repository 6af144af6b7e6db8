import { Type } from '@sinclair/typebox'
import { askForKeys, oldKeys } from '../../actions/server-keys.ts'
import type { App } from '../../app.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { publishedKeys } from '../../core/server-keys.ts'
import { signJson } from '../../core/sign.ts'
import { keyAnswersOf } from '../../store/server-keys.ts'
import { endpoint } from '../endpoint.ts'

/** Servers asked about in one request. */
const SERVERS_MAX = 50

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
  params: Type.Object({ serverName: Type.String() }),
  query: Type.Object({ minimum_valid_until_ts: Type.Optional(Type.Integer()) }),
  async handle(app, { params, query }) {
    return { server_keys: await keysAbout(app, params.serverName, query.minimum_valid_until_ts ?? app.clock.now()) }
  },
})

export const bulkPerspectivesKeyQuery = endpoint({
  method: 'POST',
  path: '/_matrix/key/v2/query',
  auth: 'none',
  body: Type.Object({
    server_keys: Type.Record(
      Type.String(),
      Type.Record(Type.String(), Type.Object({ minimum_valid_until_ts: Type.Optional(Type.Integer()) })),
    ),
  }),
  async handle(app, { body }) {
    const wanted = Object.entries(body.server_keys).slice(0, SERVERS_MAX)
    const answers = wanted.map(([server, keys]) => {
      const times = Object.values(keys).map((key) => key.minimum_valid_until_ts ?? app.clock.now())
      return keysAbout(app, server, Math.max(app.clock.now(), ...times))
    })
    return { server_keys: (await Promise.all(answers)).flat() }
  },
})

function ownKeys(app: App): JsonObject {
  const until = app.clock.now() + app.config.global.key_validity_period
  return publishedKeys(app.serverName, app.key, oldKeys(app), until)
}

/** The newest answer of that server, with our signature added; asked for again when it does not reach far enough. */
async function keysAbout(app: App, server: string, untilTs: number): Promise<readonly JsonObject[]> {
  if (!isServerName(server)) return []
  if (server === app.serverName) return [ownKeys(app)]
  const known = await storedAnswer(app, server)
  const reach = known === undefined ? undefined : own(known, 'valid_until_ts')
  if (typeof reach !== 'number' || reach < untilTs) await askForKeys(app, server)
  const answer = (await storedAnswer(app, server)) ?? known
  return answer === undefined ? [] : [signJson(answer, app.serverName, app.key)]
}

async function storedAnswer(app: App, server: ServerName): Promise<JsonObject | undefined> {
  const [newest] = await keyAnswersOf(app.db, server)
  const answer = newest === undefined ? undefined : parseJson(newest.response)
  return isObject(answer) ? answer : undefined
}
