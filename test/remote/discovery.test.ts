import { describe, expect, test } from 'vitest'
import type { ServerName } from '../../src/core/ids.ts'
import { type Directories, delegatedName, type SrvRecord, serverAddresses } from '../../src/remote/discovery.ts'

/** What the world says; anything else is not there. */
function world(wellKnown: Record<string, string>, srv: Record<string, readonly SrvRecord[]> = {}) {
  const asked: string[] = []
  const directories: Directories = {
    async wellKnown(host) {
      asked.push(`well-known ${host}`)
      return wellKnown[host] as ServerName | undefined
    },
    async srv(name) {
      asked.push(`srv ${name}`)
      return srv[name] ?? []
    },
  }
  return { asked, find: (name: string) => serverAddresses(name as ServerName, directories) }
}

const record = (name: string, port: number, priority = 10, weight = 0): SrvRecord => ({ name, port, priority, weight })

describe('resolving a server name', () => {
  test.each([
    ['1.2.3.4', { host: '1.2.3.4', port: 8448, hostHeader: '1.2.3.4' }],
    ['1.2.3.4:80', { host: '1.2.3.4', port: 80, hostHeader: '1.2.3.4:80' }],
    ['[1:2::3]', { host: '[1:2::3]', port: 8448, hostHeader: '[1:2::3]' }],
    ['[1:2::3]:99', { host: '[1:2::3]', port: 99, hostHeader: '[1:2::3]:99' }],
    ['a.example:8080', { host: 'a.example', port: 8080, hostHeader: 'a.example:8080' }],
  ])('1, 2: %s needs no question', async (name, address) => {
    const { asked, find } = world({ 'a.example': 'trap.example' })
    expect(await find(name)).toEqual([address])
    expect(asked).toEqual([])
  })

  test.each([
    ['9.9.9.9', { host: '9.9.9.9', port: 8448, hostHeader: '9.9.9.9' }],
    ['9.9.9.9:7', { host: '9.9.9.9', port: 7, hostHeader: '9.9.9.9:7' }],
    ['b.example:77', { host: 'b.example', port: 77, hostHeader: 'b.example:77' }],
    ['b.example', { host: 'b.example', port: 8448, hostHeader: 'b.example' }],
  ])('3: .well-known delegates to %s', async (delegated, address) => {
    expect(await world({ 'a.example': delegated }).find('a.example')).toEqual([address])
  })

  test('3.3: the delegated name has records, and bears the certificate', async () => {
    const { find } = world({ 'a.example': 'b.example' }, { '_matrix-fed._tcp.b.example': [record('c.example', 1234)] })
    expect(await find('a.example')).toEqual([{ host: 'c.example', port: 1234, hostHeader: 'b.example' }])
  })

  test('4, 5: the new service goes before the old one, and targets in their order', async () => {
    const both = world(
      {},
      {
        '_matrix-fed._tcp.a.example': [
          record('late.example', 1, 20),
          record('b.example', 2, 10, 1),
          record('a', 3, 10, 9),
        ],
        '_matrix._tcp.a.example': [record('old.example', 4)],
      },
    )
    expect((await both.find('a.example')).map((found) => found.host)).toEqual(['a', 'b.example', 'late.example'])
    const old = world({}, { '_matrix._tcp.a.example': [record('old.example', 4)] })
    expect(await old.find('a.example')).toEqual([{ host: 'old.example', port: 4, hostHeader: 'a.example' }])
    expect(old.asked).toEqual(['well-known a.example', 'srv _matrix-fed._tcp.a.example', 'srv _matrix._tcp.a.example'])
  })

  test('of more records than anybody needs the first are tried', async () => {
    const records = Array.from({ length: 1_000 }, (_, index) => record(`h${index}.example`, 1, 1_000 - index))
    const { find } = world({}, { '_matrix-fed._tcp.a.example': records })
    const hosts = (await find('a.example')).map((found) => found.host)
    expect(hosts).toEqual(['h999.example', 'h998.example', 'h997.example', 'h996.example'])
  })

  test('6: nothing found means port 8448', async () => {
    expect(await world({}).find('a.example')).toEqual([{ host: 'a.example', port: 8448, hostHeader: 'a.example' }])
  })

  test('a record that says "nothing here" gives no address', async () => {
    const { find } = world({}, { '_matrix-fed._tcp.a.example': [record('.', 0)] })
    expect(await find('a.example')).toEqual([])
  })

  test.each([[null], [[]], ['b.example'], [{}], [{ 'm.server': 7 }], [{ 'm.server': 'no spaces' }]])(
    'a .well-known of %j names no server',
    (body) => {
      expect(delegatedName(body)).toBeUndefined()
    },
  )
})
