import { describe, expect, test } from 'vitest'
import { configFrom } from '../../src/config/load.ts'
import { createNetworks } from '../../src/remote/networks.ts'

const { deny_networks, allow_networks } = configFrom({
  version: 2,
  global: { server_name: 'a.example', private_key: 'k.pem', database: { connection_string: 'file:x.db' } },
}).federation_api

describe('the networks we may connect to', () => {
  const networks = createNetworks(deny_networks, allow_networks)

  test.each(['1.1.1.1', '93.184.216.34', '2606:4700::1111', '8.8.8.8'])('%s is public', (address) => {
    expect(networks.allows(address)).toBe(true)
  })

  test.each([
    ...['0.0.0.0', '127.0.0.1', '127.255.1.1', '10.1.2.3', '100.64.0.1', '169.254.169.254', '172.16.0.1', '172.31.9.9'],
    ...['192.168.1.1', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.7', '203.0.113.9', '224.0.0.1', '240.0.0.1'],
    ...['255.255.255.255', '::', '::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1', '100::1', '2001::1'],
    ...['2001:db8::1', '2002:7f00:1::', 'fc00::1', 'fd12::1', 'fe80::1', 'fec0::1', 'ff02::1', 'localhost', '', '1'],
    ...['::127.0.0.1', '::7f00:1', '::ffff:0:10.0.0.1', '64:ff9b:1::a00:1', 'fe80:0:0:1::1', '3fff::1'],
  ])('%s is not', (address) => {
    expect(networks.allows(address)).toBe(false)
  })

  test('an empty deny list opens the private ones, a deny list wins over an allow list', () => {
    expect(createNetworks([], ['0.0.0.0/0']).allows('127.0.0.1')).toBe(true)
    expect(createNetworks([], ['0.0.0.0/0']).allows('::1')).toBe(false)
    expect(createNetworks(['9.0.0.0/8'], ['9.9.9.9/32', '8.0.0.0/8']).allows('9.9.9.9')).toBe(false)
    expect(() => createNetworks(['nonsense'], [])).toThrow('"nonsense" is not a network')
  })
})
