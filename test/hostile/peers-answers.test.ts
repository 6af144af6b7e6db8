import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { makeCertificate } from '../../src/cli/certificate.ts'
import { configFrom } from '../../src/config/load.ts'
import type { ServerName } from '../../src/core/ids.ts'
import { systemClock, systemTimers } from '../../src/live/time.ts'
import { ANYWHERE, createNetworks, type Networks } from '../../src/remote/networks.ts'
import { createOutbound, type Outbound } from '../../src/remote/outbound.ts'
import { createTransport } from '../../src/remote/transport.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

async function listen(server: Server): Promise<number> {
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function outboundTo(networks: Networks, verifyTls = true): Outbound {
  const outbound = createOutbound({ networks, timers: systemTimers, verifyTls })
  open.push(outbound)
  return outbound
}

const BYTES_MAX = 10_000
const limits = { method: 'GET', path: '/', timeoutMs: 5_000, maxBytes: BYTES_MAX }

/** The networks of a configuration that says nothing of them. */
function networksByDefault(): Networks {
  const global = { server_name: 'a.example', private_key: 'k.pem', database: { connection_string: 'file:x.db' } }
  const { deny_networks, allow_networks } = configFrom({ version: 2, global }).federation_api
  return createNetworks(deny_networks, allow_networks)
}

describe('what a bad peer leads us to', () => {
  const HOSTS = [
    ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f.1', '0x7f000001', '0177.0.0.1', '017700000001'],
    ...['0.0.0.0', '0', 'localhost', 'LOCALHOST', 'localhost.', '[::1]', '[::]', '[::ffff:127.0.0.1]'],
    ...['[::ffff:7f00:1]', '[0:0:0:0:0:0:0:1]', '127.0.0.1.', '①②⑦.⓪.⓪.①', '127。0。0。1', '%31%32%37.0.0.1'],
  ]

  /** Connections that come while all spellings are asked for, and once they are allowed. */
  async function connectionsMade(): Promise<readonly [denied: number, allowed: number]> {
    let connections = 0
    const port = await listen(
      createTcp((socket) => {
        connections++
        socket.destroy()
      }),
    )
    const outbound = outboundTo(networksByDefault())
    const transport = createTransport(outbound, systemClock, async () => [])
    for (const host of HOSTS) {
      const asked = outbound.request({ ...limits, origin: `http://${host}:${port}` })
      await expect(asked, host).rejects.toThrow()
      const request = { destination: `${host}:${port}` as ServerName, method: 'GET', uri: '/', headers: {} }
      await expect(transport.send({ ...request, timeoutMs: 5_000, maxBytes: BYTES_MAX }), host).rejects.toThrow()
    }
    const denied = connections
    await outboundTo(ANYWHERE)
      .request({ ...limits, origin: `http://127.0.0.1:${port}` })
      .catch(() => undefined)
    return [denied, connections - denied]
  }

  test('S25: no spelling of an inner address is connected to', async () => {
    // Other tests have servers that call ports which nobody listens on any more: this one may be such a port, once.
    let [denied, allowed] = await connectionsMade()
    for (let tries = 1; tries < 3 && denied > 0; tries++) [denied, allowed] = await connectionsMade()
    expect(denied).toBe(0)
    // Where nothing is denied the same way leads there: what was refused was refused for its network.
    expect(allowed).toBeGreaterThan(0)
  })
})

describe('the answers of a bad peer', () => {
  const asked = async (answer: RequestListener) => {
    const port = await listen(createHttp(answer))
    return outboundTo(ANYWHERE).request({ ...limits, origin: `http://127.0.0.1:${port}` })
  }

  test('S26: what was packed a thousand times smaller is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000))
    const { body } = await asked((_request, reply) => reply.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))
    expect(body.length).toBe(bomb.length)
  })

  test('S26: a length that is not true, and a flood without one, are cut off', async () => {
    const flood = asked((_request, reply) => {
      const more = () => void (reply.destroyed || reply.write(Buffer.alloc(1_000), () => setImmediate(more)))
      more()
    })
    await expect(flood).rejects.toThrow(`over ${BYTES_MAX} bytes`)
    const short = asked((_request, reply) => {
      reply.writeHead(200, { 'content-length': '100' })
      reply.write('{}')
      setImmediate(() => reply.destroy())
    })
    await expect(short).rejects.toThrow()
    const heads = asked((_request, reply) => reply.writeHead(200, { 'x-long': 'x'.repeat(20_000) }).end())
    await expect(heads).rejects.toThrow()
  })

  test('S27: a certificate that nobody trusts is refused', async () => {
    const { certificatePem, keyPem } = await makeCertificate({ names: ['127.0.0.1'] })
    const port = await listen(createHttps({ cert: certificatePem, key: keyPem }, (_request, reply) => reply.end('{}')))
    const request = { ...limits, origin: `https://127.0.0.1:${port}` }
    await expect(outboundTo(ANYWHERE).request(request)).rejects.toThrow(/certificate|self.signed/i)
    expect((await outboundTo(ANYWHERE, false).request(request)).status).toBe(200)
  })
})
