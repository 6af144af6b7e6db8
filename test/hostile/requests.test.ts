import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MatrixError } from '../../src/core/matrix-error.ts'
import type { Endpoint } from '../../src/http/endpoint.ts'
import { freshPostgres } from '../helpers/databases.ts'
import { createTestNetwork } from '../helpers/federation.ts'
import { assault } from './assault.ts'
import { LIMITS } from './limits.ts'
import { ROUTES } from './requests.ts'

const REQUESTS = 900
const TIMEOUT_MS = 300_000

const routes = ROUTES.map(({ method, path }) => `${method} ${path}`)
const clientApi = { guests_disabled: false, oauth: { enabled: true } }
const undo: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const step of undo.reverse()) await step()
})

async function start(connectionString?: string) {
  const network = createTestNetwork()
  undo.push(() => network.stop())
  const peer = await network.start('peer.example')
  return { peer, server: await network.start('test.example', connectionString, { clientApi }) }
}

test('every endpoint has a row in limits.tsv that says what it may answer', () => {
  expect(routes.filter((route) => !LIMITS.has(route))).toEqual([])
  expect([...LIMITS.keys()].filter((route) => !routes.includes(route))).toEqual([])
})

describe('no request to any endpoint, whatever it holds, is answered with 5xx, or not at all', () => {
  test('on sqlite', { timeout: TIMEOUT_MS }, async () => {
    expect(await assault({ ...(await start()), seed: 1, requests: REQUESTS })).toEqual([])
  })

  test.runIf(process.env.DENDRITE_TEST_POSTGRES !== undefined)('on postgres', { timeout: TIMEOUT_MS }, async () => {
    const { options } = await freshPostgres(undo)
    expect(await assault({ ...(await start(options.connectionString)), seed: 2, requests: REQUESTS })).toEqual([])
  })
})

describe('planted in one endpoint, it is found:', () => {
  const only = 'GET /_matrix/client/v3/joined_rooms'
  const victim = ROUTES[routes.indexOf(only)] as unknown as { handle: Endpoint['handle'] }

  let place: Awaited<ReturnType<typeof start>>
  beforeAll(async () => {
    place = await start()
  })

  test.each([
    ['a failure', async () => JSON.parse('{'), 'seed 1 request 0: 500 to GET /_matrix/client/v3/joined_rooms'],
    ['no answer', () => new Promise(() => undefined), 'no answer to'],
    [
      'a gateway status that its row does not have',
      () => Promise.reject(new MatrixError('M_UNKNOWN', '', {}, 502)),
      '502 to',
    ],
  ])('%s', { timeout: TIMEOUT_MS }, async (_what, handle, fault) => {
    const whole = victim.handle
    victim.handle = handle as Endpoint['handle']
    try {
      const faults = await assault({ ...place, seed: 1, requests: 4, only, patienceMs: 500 })
      expect(faults.join('\n')).toContain(fault)
    } finally {
      victim.handle = whole
    }
  })
})
