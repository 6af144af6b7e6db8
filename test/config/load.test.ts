import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { ConfigError, configFrom, loadConfig, readConfig } from '../../src/config/load.ts'
import { annotatedYaml, toPlainConfig } from '../../src/config/show.ts'
import { formatDuration, parseDuration, parseSize } from '../../src/config/units.ts'
import { temporaryDirectory } from '../helpers/cli.ts'

const LEAST = 'version: 2\nglobal:\n  server_name: a.test\n'

function faultsOf(text: string, environment: Record<string, string> = {}): readonly string[] {
  try {
    readConfig(text, 'x.yaml', environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

test('a server name is enough', () => {
  const { config, warnings } = readConfig(LEAST, 'x.yaml')
  expect(warnings).toEqual([])
  expect(config.room_server.default_room_version).toBe('12')
  expect(config.global.key_validity_period).toBe(7 * 24 * 3_600_000)
  expect(config.global.cache.max_size_estimated).toBe(64 * 2 ** 20)
  expect(config.client_api.registration_disabled).toBe(true)
})

test('what is printed reads as the same configuration', () => {
  const config = configFrom({ version: 2, global: { server_name: 'a.test', key_validity_period: '1h30m0s' } })
  const plain = toPlainConfig(config, { secrets: true })
  expect(plain).toMatchObject({ global: { key_validity_period: '1h30m0s' } })
  expect(configFrom(plain)).toEqual(config)
})

test('YAML 1.1 as in the Go Dendrite: yes is true, a bare 10 is text where text is wanted, null is absent', () => {
  const text = `${LEAST}  disable_federation: yes\nroom_server:\n  default_room_version: 10\nuser_api:\nmedia_api: ~\n`
  const { config } = readConfig(text, 'x.yaml')
  expect(config.global.disable_federation).toBe(true)
  expect(config.room_server.default_room_version).toBe('10')
  expect(config.user_api.bcrypt_cost).toBe(10)
})

test('all faults come at once, in the order of the file', () => {
  const text = 'version: 3\nglobal:\n  server_name: a b\n  key_validity_period: soon\nmedia_api:\n  base_path: [1]\n'
  expect(faultsOf(text)).toEqual([
    'line 1: version must be <= 2',
    'line 3: global.server_name must be a host name, with a port if need be',
    'line 4: global.key_validity_period must be a duration such as 168h0m0s',
    'line 6: media_api.base_path must be string',
  ])
})

test('a fault of syntax has its line', () => {
  expect(faultsOf('version: 2\nglobal:\n  a: [1\n')[0]).toMatch(/^line [34]: /)
  expect(faultsOf(`${LEAST}---\n${LEAST}`)).toHaveLength(1)
})

test('a misspelt key is named beside the one that is missing, and nothing is read as no mapping', () => {
  expect(
    faultsOf('version: 2\nglobal:\n  server_nam: a.test\n  database:\n    connection_string: file:a.db\n'),
  ).toEqual(['line 2: global.server_name is missing', 'line 3: global.server_nam is unknown and has no effect'])
  expect(() => readConfig('[]', 'x.yaml')).toThrow('x.yaml: the configuration must be a mapping')
})

test('an empty file is a configuration without anything, and not none', () => {
  const dir = temporaryDirectory()
  writeFileSync(join(dir, 'dendrite.yaml'), '')
  expect(() => loadConfig({ dir })).toThrow('version is missing')
})

test('keys without effect and unknown keys warn, with their lines', () => {
  const text = `${LEAST}  jetstream:\n    in_memory: true\n  nonsense: 1\n`
  expect(readConfig(text, 'x.yaml').warnings).toEqual([
    expect.stringContaining('x.yaml: line 4: global.jetstream has no effect.'),
    'x.yaml: line 6: global.nonsense is unknown and has no effect',
  ])
})

test('the environment wins, and is named in faults', () => {
  const environment = {
    DENDRITE_GLOBAL__SERVER_NAME: 'b.test',
    DENDRITE_HTTP__TRUSTED_PROXIES: '10.0.0.1, 10.0.0.2',
    DENDRITE_USER_API__BCRYPT_COST: '12',
    DENDRITE_CONFIG: 'not a key',
  }
  const { config } = readConfig(LEAST, 'x.yaml', environment)
  expect(config.global.server_name).toBe('b.test')
  expect(config.http.trusted_proxies).toEqual(['10.0.0.1', '10.0.0.2'])
  expect(config.user_api.bcrypt_cost).toBe(12)
  expect(faultsOf(LEAST, { DENDRITE_USER_API__BCRYPT_COST: '99', DENDRITE_NO__SUCH: '1' })).toEqual([
    'DENDRITE_NO__SUCH names no key of the configuration',
    'DENDRITE_USER_API__BCRYPT_COST (user_api.bcrypt_cost) must be <= 31',
  ])
})

test('a secret may stand in a file, named by the environment or by the configuration', () => {
  const dir = temporaryDirectory()
  writeFileSync(join(dir, 'secret'), 'hush\n')
  const environment = { DENDRITE_CLIENT_API__REGISTRATION_SHARED_SECRET_FILE: join(dir, 'secret') }
  expect(readConfig(LEAST, 'x.yaml', environment).config.client_api.registration_shared_secret).toBe('hush')
  const text = `${LEAST}client_api:\n  registration_shared_secret_file: secret\n`
  const { config, warnings } = readConfig(text, join(dir, 'x.yaml'))
  expect([config.client_api.registration_shared_secret, warnings]).toEqual(['hush', []])
  expect(faultsOf(text.replace('file: secret', 'file: missing'))).toHaveLength(1)
})

test('databases of components count when they are all one, and are a fault when they differ', () => {
  const one = `${LEAST}sync_api:\n  database:\n    connection_string: postgres://h/d\n`
  expect(readConfig(one, 'x.yaml').config.global.database.connection_string).toBe('postgres://h/d')
  const two = `${one}room_server:\n  database:\n    connection_string: postgres://h/other\n`
  expect(faultsOf(two)).toEqual([expect.stringContaining('global.database.connection_string is missing')])
})

test('names from a prototype are no keys', () => {
  expect(readConfig(`${LEAST}__proto__:\n  a: 1\nconstructor: 1\n`, 'x.yaml').config.version).toBe(2)
  expect(({} as Record<string, unknown>).a).toBeUndefined()
})

test.each([
  ['168h0m0s', 604_800_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['1000000', 1],
  ['soon', undefined],
  ['5', 5e-6],
  ['1h ', 3_600_000],
  ['-1h', undefined],
])('the duration %s is %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  ['1gb', 2 ** 30],
  ['64 MB', 2 ** 26],
  ['12', 12],
  ['many', undefined],
])('the size %s is %s bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test('durations are written as Go writes them', () => {
  expect([formatDuration(604_800_000), formatDuration(250), formatDuration(90_000)]).toEqual([
    '168h0m0s',
    '250ms',
    '0h1m30s',
  ])
})

test('every value is shown with where it comes from', () => {
  const dir = temporaryDirectory()
  writeFileSync(join(dir, 'secret'), 'hush')
  const text = `${LEAST}client_api:\n  registration_shared_secret_file: secret\nhttp:\n  trusted_proxies: [10.0.0.1]\n`
  const environment = { DENDRITE_USER_API__BCRYPT_COST: '12' }
  const { config, originOf } = readConfig(text, join(dir, 'x.yaml'), environment)
  const plain = toPlainConfig(config, { secrets: false })
  const shown = annotatedYaml(plain, originOf)
  expect(shown).toContain('server_name: a.test # line 3\n')
  expect(shown).toContain('registration_shared_secret: "[hidden]" # line 5\n')
  expect(shown).toContain('bcrypt_cost: 12 # DENDRITE_USER_API__BCRYPT_COST\n')
  expect(shown).toContain('default_room_version: "12" # default\n')
  expect(shown).toContain('  # line 7\n  trusted_proxies:\n')
  expect(shown).not.toContain('hush')
  expect(parse(shown)).toEqual(plain)
})

test('a room version that nobody knows is a fault, with those that there are', () => {
  const text = (version: string) => `${LEAST}room_server:\n  default_room_version: ${version}\n`
  expect(faultsOf(text('13'))).toEqual([
    'line 5: room_server.default_room_version must be one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12',
  ])
  expect(readConfig(text('"11"'), 'x.yaml').config.room_server.default_room_version).toBe('11')
})

test('a limit of files above what S3 takes at once is a fault; limits of users are read with their units', () => {
  const s3 = '  s3: { endpoint: "https://s3.example", bucket: b, access_key_id: i, secret_access_key: k }\n'
  const large = `${LEAST}media_api:\n  max_file_size_bytes: 5368709121\n`
  expect(faultsOf(large + s3)).toEqual([expect.stringContaining('max_file_size_bytes must be at most 5368709120')])
  expect(faultsOf(large)).toEqual([])
  const limits = '  user_limits:\n    max_bytes: 9\n    uploads:\n      - { time_period: 1h, max_size: 2kb }\n'
  const { media_api: read } = readConfig(`${LEAST}media_api:\n${limits}`, 'dendrite.yaml').config
  expect(read.user_limits).toEqual({
    max_bytes: 9,
    uploads: [{ time_period: 3_600_000, max_size: 2_048 }],
    info_uri: '',
  })
})
