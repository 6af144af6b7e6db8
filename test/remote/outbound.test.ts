import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock, systemTimers } from '../../src/live/time.ts'
import { createNetworks } from '../../src/remote/networks.ts'
import { createOutbound, type Outbound } from '../../src/remote/outbound.ts'
import { createWellKnown } from '../../src/remote/well-known.ts'

const open: (Server | Outbound)[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

async function listen(handle: RequestListener): Promise<string> {
  const server = createServer(handle)
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function outboundTo(deny: readonly string[]): Outbound {
  const networks = createNetworks(deny, ['0.0.0.0/0', '::/0'])
  const outbound = createOutbound({ networks, timers: systemTimers, verifyTls: true })
  open.push(outbound)
  return outbound
}

const limits = { method: 'GET', path: '/', timeoutMs: 5_000, maxBytes: 1_000 }

describe('requests to other machines', () => {
  test('send the path and the host as they are given', async () => {
    let seen = ''
    const origin = await listen((request, reply) => {
      seen = `${request.method} ${request.url} ${request.headers.host}`
      reply.end('{}')
    })
    const path = '/a/%2E%2E/b%2Fc?d=%20'
    const reply = await outboundTo([]).request({ ...limits, origin, path, headers: { host: 'name.example' } })
    expect(reply.status).toBe(200)
    expect(seen).toBe(`GET ${path} name.example`)
  })

  test('are not made to denied networks, neither by literal nor by name', async () => {
    let requests = 0
    const origin = await listen((_request, reply) => {
      requests++
      reply.end()
    })
    const outbound = outboundTo(['127.0.0.0/8', '::1/128'])
    await expect(outbound.request({ ...limits, origin })).rejects.toThrow('denied')
    const byName = origin.replace('127.0.0.1', 'localhost')
    await expect(outbound.request({ ...limits, origin: byName })).rejects.toThrow('denied')
    expect(requests).toBe(0)
    // The same request gets through when nothing denies it: the refusals above were no other failure.
    expect((await outboundTo([]).request({ ...limits, origin })).status).toBe(200)
  })

  test('do not follow redirects', async () => {
    const origin = await listen((_request, reply) => reply.writeHead(302, { location: 'http://10.0.0.1/' }).end())
    expect((await outboundTo([]).request({ ...limits, origin })).status).toBe(302)
  })

  test('cut off an answer that is too long, or that never ends', async () => {
    const long = await listen((_request, reply) => reply.end('x'.repeat(1_001)))
    await expect(outboundTo([]).request({ ...limits, origin: long })).rejects.toThrow('over 1000 bytes')
    const endless = await listen((_request, reply) => reply.write('x'))
    const impatient = { ...limits, timeoutMs: 50, origin: endless }
    await expect(outboundTo([]).request(impatient)).rejects.toThrow('within 50 ms')
  })

  test('end when the caller gives up, and say when nobody listens', async () => {
    const silent = await listen(() => undefined)
    const caller = new AbortController()
    const asked = outboundTo([]).request({ ...limits, origin: silent, signal: caller.signal })
    caller.abort()
    await expect(asked).rejects.toThrow('given up')
    await expect(outboundTo([]).request({ ...limits, origin: 'http://127.0.0.1:1' })).rejects.toThrow('ECONNREFUSED')
  })
})

describe('.well-known', () => {
  const answers = (replies: Record<string, { status: number; location?: string; body?: string }>) => {
    const asked: string[] = []
    const outbound: Pick<Outbound, 'request'> = {
      async request({ origin, path }) {
        const url = origin + path
        asked.push(url)
        const reply = replies[url] ?? { status: 404 }
        const headers = { location: reply.location, 'cache-control': 'max-age=60' }
        return { status: reply.status, headers, body: Buffer.from(reply.body ?? '') }
      },
    }
    return { asked, outbound }
  }
  const start = 'https://a.example/.well-known/matrix/server'

  test('is followed over redirects within https, and remembered as long as it says', async () => {
    const { asked, outbound } = answers({
      [start]: { status: 301, location: '//b.example/there' },
      'https://b.example/there': { status: 200, body: '{"m.server":"c.example:1"}' },
    })
    let now = 0
    const wellKnown = createWellKnown(outbound, { ...systemClock, now: () => now })
    expect(await Promise.all([wellKnown.delegation('a.example'), wellKnown.delegation('a.example')])).toEqual([
      'c.example:1',
      'c.example:1',
    ])
    expect(asked).toEqual([start, 'https://b.example/there'])
    now = 59_999
    await wellKnown.delegation('a.example')
    expect(asked).toHaveLength(2)
    now = 60_000
    await wellKnown.delegation('a.example')
    expect(asked).toHaveLength(4)
  })

  test.each([
    ['leads out of https', { status: 302, location: 'http://a.example/x' }],
    ['leads to itself for ever', { status: 302, location: start }],
    ['is not JSON', { status: 200, body: 'm.server' }],
    ['names no server', { status: 200, body: '{"m.server":"a b"}' }],
    ['fails', { status: 500 }],
  ])('that %s counts as absent', async (_what, reply) => {
    const { asked, outbound } = answers({ [start]: reply })
    expect(await createWellKnown(outbound, systemClock).delegation('a.example')).toBeUndefined()
    expect(asked.length).toBeLessThanOrEqual(6)
  })
})
