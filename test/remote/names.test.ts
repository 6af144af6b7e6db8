import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemTimers } from '../../src/live/time.ts'
import { createNames } from '../../src/remote/names.ts'
import { createNetworks } from '../../src/remote/networks.ts'
import { createOutbound } from '../../src/remote/outbound.ts'
import { startDnsServer } from '../helpers/dns-server.ts'

let dns: Awaited<ReturnType<typeof startDnsServer>>

beforeAll(async () => {
  dns = await startDnsServer({
    hosts: { 'both.test': ['127.0.0.1', '::1'], 'four.test': ['127.0.0.1'] },
    srv: { '_matrix-fed._tcp.both.test': { target: 'four.test', port: 8448 } },
  })
})
afterAll(() => dns.stop())

test('name servers of the configuration are asked for addresses and services', async () => {
  const names = createNames([dns.address])
  expect(await names.addresses('both.test')).toEqual([
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ])
  expect(await names.addresses('four.test')).toEqual([{ address: '127.0.0.1', family: 4 }])
  await expect(names.addresses('none.test')).rejects.toThrow('ENOTFOUND')
  expect(await names.srv('_matrix-fed._tcp.both.test')).toMatchObject([{ name: 'four.test', port: 8448 }])
  expect(await names.srv('_matrix-fed._tcp.four.test')).toEqual([])
})

test('a name server that is not there is a failure, and no answer', async () => {
  const gone = await startDnsServer({ hosts: {}, srv: {} })
  gone.stop()
  const names = createNames([gone.address])
  expect(await names.srv('_matrix-fed._tcp.both.test')).toBeUndefined()
  await expect(names.addresses('both.test')).rejects.toThrow('ECONNREFUSED')
})

test('what is no address is refused', () => {
  expect(() => createNames(['dns.example.org'])).toThrow('federation_api.dns_servers')
})

test('networks that are denied stay so, whoever leads there', async () => {
  const names = createNames([dns.address])
  const networks = createNetworks(['127.0.0.0/8', '::1/128'], ['0.0.0.0/0', '::/0'])
  const outbound = createOutbound({ networks, timers: systemTimers, verifyTls: true, names })
  const asked = outbound.request({
    method: 'GET',
    origin: 'https://both.test:8448',
    path: '/',
    timeoutMs: 10_000,
    maxBytes: 1,
  })
  await expect(asked).rejects.toThrow('both.test is in a network that is denied')
  await outbound.close()
})
