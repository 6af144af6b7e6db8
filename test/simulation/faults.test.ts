import { AsyncLocalStorage } from 'node:async_hooks'
import { rmSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import { authorizationHeader, parseAuthorization } from '../../src/core/sign.ts'
import type { ServerRequest } from '../../src/remote/transport.ts'
import type { SimulatedNetwork } from './network.ts'
import { makeDir } from './seeds.ts'
import { keyOf } from './server.ts'
import { simulate } from './simulate.ts'

/** The server that has the fault, and in which server it is that something happens. */
const FAULTY = 'b.example'
const where = new AsyncLocalStorage<string>()
let planted: 'no soft-fail' | 'wrong tie-break' | undefined
const isFaulty = (fault: typeof planted) => planted === fault && where.getStore() === FAULTY

vi.mock('../../src/core/auth/authorise.ts', async (original) => {
  const real = await original<typeof import('../../src/core/auth/authorise.ts')>()
  const passed = new WeakMap<object, number>()
  const authorise: typeof real.authorise = (version, event, state) => {
    const verdict = real.authorise(version, event, state)
    const before = passed.get(event) ?? 0
    if (verdict.allowed) passed.set(event, before + 1)
    // By the events that it names, and by the state before it: the third time is by the current state.
    return isFaulty('no soft-fail') && before === 2 ? { allowed: true } : verdict
  }
  return { ...real, authorise }
})

vi.mock('../../src/core/state/order.ts', async (original) => {
  const real = await original<typeof import('../../src/core/state/order.ts')>()
  const mainlineOrder: typeof real.mainlineOrder = (...args) => {
    const ordered = real.mainlineOrder(...args)
    return isFaulty('wrong tie-break') ? ordered.reverse() : ordered
  }
  return { ...real, mainlineOrder }
})

const dir = makeDir()
afterAll(() => rmSync(dir, { recursive: true, force: true }))
beforeEach(() => {
  planted = undefined
})

const SEEDS = 40

/** What is found in the first story that shows anything. */
async function firstFaults(tamper?: (network: SimulatedNetwork) => void): Promise<readonly string[]> {
  const within = <Result>(server: string, work: () => Result) => where.run(server, work)
  for (let seed = 0; seed < SEEDS; seed++) {
    const { faults } = await simulate(seed, { dir, within, ...(tamper && { tamper }) })
    if (faults.length > 0) return faults
  }
  return []
}

/** The faulty server gets transactions without what is meant for devices, as if their sender had never had it. */
function loseMessages(network: SimulatedNetwork): void {
  const peer = network.peers.get(FAULTY)!
  network.peers.set(FAULTY, (request) => peer(withoutEdus(request)))
}

function withoutEdus(request: ServerRequest): ServerRequest {
  const { method, uri, destination, body } = request
  const origin = parseAuthorization(request.headers.authorization ?? '')?.origin
  if (!uri.includes('/v1/send/') || origin === undefined || body === undefined) return request
  const content = { ...(JSON.parse(body) as JsonObject), edus: [] }
  const authorization = authorizationHeader({ method, uri, origin, destination, content }, keyOf(origin))
  return { ...request, headers: { ...request.headers, authorization }, body: JSON.stringify(content) }
}

describe('the simulation', () => {
  test('tells the same story for the same seed, and another one for another', { timeout: 60_000 }, async () => {
    const first = await simulate(7, { dir })
    const again = await simulate(7, { dir })
    expect(again.trace).toEqual(first.trace)
    expect(first.trace.length).toBeGreaterThan(100)
    expect((await simulate(8, { dir })).hash).not.toBe(first.hash)
  })

  test('finds a server that soft-fails nothing', { timeout: 120_000 }, async () => {
    planted = 'no soft-fail'
    expect((await firstFaults()).join('\n')).toContain(`${FAULTY} lets a banned user speak`)
  })

  test('finds a server that breaks ties the other way', { timeout: 120_000 }, async () => {
    planted = 'wrong tie-break'
    expect((await firstFaults()).join('\n')).toMatch(/have other state under/)
  })

  test('finds a message to a device that is lost', { timeout: 120_000 }, async () => {
    expect((await firstFaults(loseMessages)).join('\n')).toMatch(/the message @\w+:b.example \d+ is lost/)
  })
})
