import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ADDED, versionsOf } from '../../src/http/client/versions.ts'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { staleRows } from '../helpers/endpoints-reporter.ts'
import { inspectReplies, replyFault, throwReplyFaults } from '../helpers/replies.ts'
import { README_STATE, readState, stateOfSpecification } from './state.ts'
import { ROOT, readTested, rowOf, SPEC } from './table.ts'

/** Paths of older versions of the specification that others still ask for. */
const OLDER = [
  'GET /_matrix/client/v3/pushrules/global/{kind}/',
  'GET /_matrix/client/v3/pushrules/global/{kind}',
  'GET /_matrix/client/v3/pushrules/{scope}',
  'GET /_matrix/client/v3/pushrules/{scope}/',
  'GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/{attribute}',
  'PUT /_matrix/client/v3/pushrules/',
  'PUT /_matrix/client/v3/pushrules/global/',
  'PUT /_matrix/client/v3/pushrules/global/{kind}',
  'PUT /_matrix/client/v3/pushrules/{scope}',
  'PUT /_matrix/client/v3/pushrules/global/{kind}/',
  'PUT /_matrix/client/v3/pushrules/{scope}/{kind}/{ruleId}',
  'PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/{attribute}',
  'GET /_matrix/key/v2/server/{keyId}',
  'GET /_matrix/key/v2/query/{serverName}/{keyId}',
  'PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}',
  'PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId}',
  'POST /_matrix/federation/v1/3pid/onbind',
]
/** What the Go Dendrite serves beyond the specification, and bridges ask for, under the paths that clients use. */
const BEYOND = [
  'POST /_matrix/client/v3/peek/{roomIdOrAlias}',
  'POST /_matrix/client/v3/rooms/{roomId}/redact/{eventId}',
  'POST /_matrix/client/v3/rooms/{roomId}/send/{eventType}',
  'POST /_matrix/client/v3/rooms/{roomId}/unpeek',
  'DELETE /_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}',
]
/** The form of a page that the specification describes. */
const FORMS = ['POST /_matrix/client/v3/auth/{authType}/fallback/web']
/** A guest's client asks for these too: it stores a filter and its settings, joins by alias, and logs out. */
const OPEN_TO_GUESTS_TOO = [
  'POST /_matrix/client/v3/join/{roomIdOrAlias}',
  'GET /_matrix/client/v3/joined_rooms',
  'POST /_matrix/client/v3/logout',
  'POST /_matrix/client/v3/logout/all',
  'GET /_matrix/client/v3/user/{userId}/account_data/{type}',
  'PUT /_matrix/client/v3/user/{userId}/account_data/{type}',
  'POST /_matrix/client/v3/user/{userId}/filter',
  'GET /_matrix/client/v3/user/{userId}/filter/{filterId}',
  'GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}',
  'PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}',
]
/** The specification lets a 3PID stand in for the access token here. No mail is sent for that. */
const TOKEN_NEEDED = ['POST /_matrix/client/v3/account/deactivate']

/** The types of queries that are known have rows of their own; to the others the answer is an error. */
const ONLY_ERRORS = ['GET /_matrix/federation/v1/query/{queryType}']

const served = new Map(ENDPOINTS.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint]))
const rows = SPEC.filter(({ key }) => served.has(key))

describe('what is served', () => {
  test('is served once', () => {
    expect(ENDPOINTS.map(({ method, path }) => `${method} ${path}`)).toHaveLength(served.size)
  })

  test.each(['/_matrix/client/v', '/_matrix/media/v', '/_matrix/federation/v', '/_matrix/key/v', '/.well-known/'])(
    'under %s is of the specification',
    (prefix) => {
      const paths = [...served.keys()].filter((key) => key.includes(` ${prefix}`))
      expect(
        paths.filter((key) => ![...OLDER, ...BEYOND, ...FORMS].includes(key) && !SPEC.some((row) => row.key === key)),
      ).toEqual([])
    },
  )

  test('asks for the authentication of the specification', () => {
    const differing = rows.filter(({ key, auth }) => served.get(key)?.auth !== auth && !TOKEN_NEEDED.includes(key))
    expect(differing.map(({ key, auth }) => `${key} ${auth}`)).toEqual([])
  })

  test('is open to guests where the specification says so, and nowhere else', () => {
    const tokens = rows.filter(({ key, auth }) => auth === 'access-token' && !OPEN_TO_GUESTS_TOO.includes(key))
    expect(
      tokens.filter(({ key, guest }) => (served.get(key)?.guest ?? false) !== guest).map(({ key }) => key),
    ).toEqual([])
  })

  test('answers under the older paths too', () => {
    const missing = rows.filter(({ key, aliases }) =>
      aliases.some((alias) => !(served.get(key)?.aliases ?? []).includes(alias)),
    )
    expect(missing.map(({ key, aliases }) => `${key} ${aliases}`)).toEqual([])
  })

  test('is called by a test: `npm run endpoints -- FILE` notes it', () => {
    const tested = readTested()
    expect(rows.filter(({ key }) => !tested.has(key)).map(({ key }) => key)).toEqual(ONLY_ERRORS)
    expect([...tested].filter(([key, file]) => !served.has(key) || !existsSync(join(ROOT, file)))).toEqual([])
  })

  test('is at least what README says', () => {
    const said = readState(README_STATE.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[0] ?? '')
    const now = readState(stateOfSpecification(ENDPOINTS))
    expect(said.size).toBe(now.size)
    expect([...said].filter(([area, count]) => count > (now.get(area) ?? 0))).toEqual([])
  })
})

describe('the versions', () => {
  const added = (since: string) =>
    SPEC.filter((row) => row.since === since && row.area !== 'federation').map(({ key }) => key)

  test('know what each added', () => {
    for (const [version, endpoints] of ADDED) expect([...endpoints].sort()).toEqual(added(version.slice(1)).sort())
    const known = ['1.0', '1.1', ...ADDED.map(([version]) => version.slice(1))]
    expect(SPEC.filter(({ since }) => !known.includes(since))).toEqual([])
  })

  test('are announced up to the first of which something is missing', () => {
    const all = SPEC.map(({ key }) => key)
    expect(versionsOf(new Set(all)).at(-1)).toBe('v1.19')
    expect(versionsOf(new Set(all.filter((key) => !key.endsWith('/threads')))).at(-1)).toBe('v1.3')
    expect(versionsOf(new Set()).at(-1)).toBe('v1.1')
  })
})

describe('the rules', () => {
  test('know the row of a request', () => {
    expect(rowOf('GET', '/_matrix/client/r0/sync?since=a')?.key).toBe('GET /_matrix/client/v3/sync')
    expect(rowOf('GET', '/_matrix/client/v3/pushrules/')?.path).toBe('/_matrix/client/v3/pushrules/')
    expect(rowOf('GET', '/_matrix/client/v3/rooms/!a/state/m.x/')?.path).toBeUndefined()
    expect(rowOf('GET', '/_matrix/federation/v1/query/profile')?.path).toBe('/_matrix/federation/v1/query/profile')
  })

  test('notice a row whose test does not call the endpoint', () => {
    const tested = new Map([
      ['GET /a', 'one.ts'],
      ['GET /b', 'two.ts'],
    ])
    expect(staleRows(tested, new Set(), new Set(['one.ts']))).toEqual(['GET /a'])
    expect(staleRows(tested, new Set(['GET /a\tone.ts']), new Set(['one.ts']))).toEqual([])
  })

  test.runIf(process.env.MATRIX_SCHEMAS !== undefined)('notice a body that its schema forbids', () => {
    const whoami = 'GET /_matrix/client/v3/account/whoami'
    expect(replyFault(whoami, 200, { user_id: '@a:b' })).toBeUndefined()
    expect(replyFault(whoami, 200, { user_id: 1 })).toContain('/user_id must be string')
    expect(replyFault(whoami, 200, {})).toContain('user_id')
  })

  test('notice an error without errcode, whoever asked', async () => {
    inspectReplies()
    const server = createServer((_request, response) => {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"nothing"}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/_matrix/client/v3/sync`)
    server.close()
    expect(throwReplyFaults).toThrow('GET /_matrix/client/v3/sync answered 404 without an errcode')
    expect(throwReplyFaults).not.toThrow()
  })
})
