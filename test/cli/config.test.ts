import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config/load.ts'
import { runCli, temporaryDirectory } from '../helpers/cli.ts'

test('config init --print --ci prints exactly one YAML document, and nothing else anywhere', async () => {
  const cwd = temporaryDirectory()
  const database = 'postgres://u:p@localhost/d'
  const args = ['config', 'init', '--print', '--ci', '--dir', 'D', '--db', database, '--server-name', 'a.test:8448']
  const { code, stdout, stderr } = await runCli(args, { cwd })
  expect([code, stderr]).toEqual([0, ''])
  expect(readdirSync(cwd)).toEqual([])
  expect(parseAllDocuments(stdout)).toHaveLength(1)
  const value = parse(stdout)
  expect(value.app_service_api.config_files).toEqual([])
  expect(value.room_server.default_room_version).toBe('12')
  const { config, warnings } = readConfig(stdout, 'printed')
  expect(warnings).toEqual([])
  expect(config.global.server_name).toBe('a.test:8448')
  expect(config.global.database.connection_string).toBe(database)
  expect(config.global.private_key).toBe(join(cwd, 'D', 'matrix_key.pem'))
  expect(config.global.presence).toEqual({ enable_inbound: true, enable_outbound: true })
  expect(config.client_api.registration_disabled).toBe(false)
  expect(config.client_api.rate_limiting.enabled).toBe(false)
  expect(config.federation_api.key_perspectives).toEqual([])
  expect(config.app_service_api.disable_tls_validation).toBe(true)
  expect(config.user_api.password_hashing).toBe('cheap')
  expect(config.media_api.base_path).toBe(join(cwd, 'D', 'media_store'))
})

test('config init --print --ci without --db keeps an SQLite file in the directory', async () => {
  const cwd = temporaryDirectory()
  const { stdout } = await runCli(['config', 'init', '--print', '--ci', '--dir', '.'], { cwd })
  expect(parse(stdout).global.database.connection_string).toBe(`file:${join(cwd, 'dendrite.db')}`)
})

test('config init writes the commented template, and replaces it with --force only', async () => {
  const cwd = temporaryDirectory()
  const first = await runCli(['config', 'init', '--server-name', 'a.test', '--json'], { cwd })
  expect(first.code).toBe(0)
  const path = join(cwd, 'dendrite.yaml')
  expect(JSON.parse(first.stdout)).toEqual({ path, server_name: 'a.test' })
  const text = readFileSync(path, 'utf8')
  expect(text).toContain('# The configuration of this Dendrite.')
  expect(text).not.toContain('{{')
  const { config, warnings } = readConfig(text, path)
  expect(warnings).toEqual([])
  expect(config.global.server_name).toBe('a.test')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const again = await runCli(['config', 'init', '--server-name', 'b.test'], { cwd })
  expect(again.code).toBe(4)
  expect(readFileSync(path, 'utf8')).toBe(text)
  expect((await runCli(['config', 'init', '--server-name', 'b.test', '--force'], { cwd })).code).toBe(0)
  expect(readFileSync(path, 'utf8')).toContain('b.test')
})

test('config init without a terminal asks nothing', async () => {
  const cwd = temporaryDirectory()
  const { code, stderr } = await runCli(['config', 'init'], { cwd })
  expect(code).toBe(2)
  expect(stderr).toContain('--server-name')
  expect((await runCli(['config', 'init', '--yes'], { cwd })).code).toBe(0)
})

test('a bad value is never written', async () => {
  const cwd = temporaryDirectory()
  expect((await runCli(['config', 'init', '--server-name', 'not a name'], { cwd })).code).toBe(78)
  expect(readdirSync(cwd)).toEqual([])
})

test('config check lists all faults with their lines', async () => {
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, 'dendrite.yaml'), 'version: 2\nglobal:\n  presence: 1\nuser_api:\n  bcrypt_cost: 3\n')
  const { code, stderr } = await runCli(['config', 'check'], { cwd })
  expect(code).toBe(78)
  expect(stderr).toContain('line 3: global.presence must be object')
  expect(stderr).toContain('line 5: user_api.bcrypt_cost must be >= 4')
  expect(stderr).toContain('global.server_name is missing')
})

test('config check warns of unknown keys, and fails for them with --strict', async () => {
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, 'dendrite.yaml'), 'version: 2\nglobal:\n  server_name: a.test\n  sever_name: b\n')
  const plain = await runCli(['config', 'check'], { cwd })
  expect(plain.code).toBe(0)
  expect(plain.stderr).toContain('line 4: global.sever_name is unknown')
  expect((await runCli(['config', 'check', '--strict'], { cwd })).code).toBe(1)
})

test('config show hides secrets unless asked, and finds the file upwards', async () => {
  const cwd = temporaryDirectory()
  const text = `version: 2
global:
  server_name: a.test
  database:
    connection_string: postgres://me:pass1234@db/x
client_api:
  registration_shared_secret: hush5678
`
  writeFileSync(join(cwd, 'dendrite.yaml'), text)
  mkdirSync(join(cwd, 'below'))
  const shown = await runCli(['config', 'show'], { cwd: join(cwd, 'below') })
  expect(shown.code).toBe(0)
  expect(parse(shown.stdout).global.key_validity_period).toBe('168h0m0s')
  expect(shown.stdout).not.toMatch(/pass1234|hush5678/)
  const secrets = await runCli(['config', 'show', '--secrets', '--json'], { cwd })
  expect(JSON.parse(secrets.stdout).client_api.registration_shared_secret).toBe('hush5678')
})

test('a JavaScript file is not a configuration', async () => {
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, 'dendrite.config.js'), "require('node:fs').writeFileSync('ran', '')")
  await runCli(['config', 'check', '--dir', cwd], { cwd })
  expect(readdirSync(cwd)).toEqual(['dendrite.config.js'])
})
