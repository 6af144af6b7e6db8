import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { registrationText, startAppservice } from '../helpers/appservice.ts'
import { runCli, temporaryDirectory } from '../helpers/cli.ts'

/** Each command is a process of its own, and the machine may be busy. */
const TIMEOUT_MS = 120_000

const CONFIG = `# The configuration of somebody.
version: 2
global:
  server_name: a.test # never to be changed
# Nothing below yet.
app_service_api:
  # Bridges.
  config_files: []
logging: [ { type: std, level: info } ]
`

async function json(args: readonly string[], cwd: string) {
  const { code, stdout } = await runCli([...args, '--json'], { cwd })
  return { code, body: JSON.parse(stdout) }
}

test('a registration is written, added, listed and removed, and the comments of the configuration stay', {
  timeout: TIMEOUT_MS,
}, async () => {
  const cwd = temporaryDirectory()
  const config = join(cwd, 'dendrite.yaml')
  writeFileSync(config, CONFIG, { mode: 0o640 })
  const made = await json(['appservice', 'generate', 'irc', '--url', 'http://127.0.0.1:1'], cwd)
  expect(made).toMatchObject({ code: 0, body: { id: 'irc', sender_localpart: '_irc_bot' } })
  const file = join(cwd, 'irc.yaml')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const { as_token, hs_token, namespaces } = parse(readFileSync(file, 'utf8'))
  expect([as_token, hs_token].map((token) => token.length)).toEqual([64, 64])
  expect(as_token).not.toBe(hs_token)
  expect(namespaces.users).toEqual([{ exclusive: true, regex: '@_irc_.*' }])
  expect((await runCli(['appservice', 'generate', 'irc'], { cwd })).code).toBe(4)

  const tried = await json(['appservice', 'add', 'irc.yaml', '--dry-run'], cwd)
  expect([tried.code, tried.body.added, readFileSync(config, 'utf8')]).toEqual([10, false, CONFIG])
  expect((await json(['appservice', 'add', 'irc.yaml'], cwd)).body).toEqual({ id: 'irc', file, added: true })
  const changed = readFileSync(config, 'utf8')
  expect(changed).toBe(CONFIG.replace('config_files: []', `config_files:\n    - ${file}`))
  expect(statSync(config).mode & 0o777).toBe(0o640)
  expect((await json(['appservice', 'add', 'irc.yaml'], cwd)).code).toBe(4)
  const listed = await json(['appservice', 'list'], cwd)
  expect(listed.body.appservices).toMatchObject([{ id: 'irc', url: 'http://127.0.0.1:1', file }])
  expect(JSON.stringify(listed.body)).not.toContain(as_token)

  expect((await json(['appservice', 'remove', 'irc'], cwd)).code).toBe(2)
  expect((await json(['appservice', 'remove', 'sms', '--yes'], cwd)).code).toBe(3)
  expect((await json(['appservice', 'remove', 'irc', '--yes'], cwd)).body).toEqual({ id: 'irc', file, removed: true })
  expect(readFileSync(config, 'utf8')).toContain('# Bridges.')
  expect((await json(['appservice', 'list'], cwd)).body).toEqual({ appservices: [] })
})

test('what cannot be registered is refused by the name of the file, by the server too', {
  timeout: TIMEOUT_MS,
}, async () => {
  const cwd = temporaryDirectory()
  for (const [name, prefix] of [['irc'], ['sms', '@_irc_x.*']] as const)
    await runCli(['appservice', 'generate', name, ...(prefix === undefined ? [] : ['--users', prefix])], { cwd })
  writeFileSync(join(cwd, 'dendrite.yaml'), CONFIG.replace('[]', '[irc.yaml]'))
  const refused = await json(['appservice', 'add', 'sms.yaml'], cwd)
  expect([refused.code, refused.body.error.message]).toEqual([78, expect.stringMatching(/sms\.yaml: .*irc\.yaml/)])
  const bad = await runCli(['appservice', 'generate', 'bad', '--url', 'ftp://x'], { cwd })
  expect([bad.code, bad.stderr]).toEqual([78, expect.stringContaining('bad.yaml: url must begin with')])
  writeFileSync(join(cwd, 'dendrite.yaml'), CONFIG.replace('[]', '[irc.yaml, sms.yaml]'))
  await runCli(['generate-keys', '--private-key', 'matrix_key.pem'], { cwd })
  const serve = await runCli(['serve', '--dir', '.', '--http-bind-address', '127.0.0.1:0'], { cwd })
  expect(serve.code).toBe(78)
  expect(serve.stderr).toMatch(/sms\.yaml: namespaces\.users: @_irc_x\.\* overlaps/)
})

test('an application service is asked whether it hears, and by what it says the command exits', {
  timeout: TIMEOUT_MS,
}, async () => {
  const cwd = temporaryDirectory()
  const bridge = await startAppservice()
  const down = { id: 'down', as_token: 'as-down', sender_localpart: 'downbot', namespaces: {} }
  writeFileSync(join(cwd, 'bridge.yaml'), registrationText(bridge.url))
  writeFileSync(join(cwd, 'down.yaml'), registrationText('http://127.0.0.1:1', down))
  writeFileSync(join(cwd, 'dendrite.yaml'), CONFIG.replace('[]', '[bridge.yaml, down.yaml]'))
  const ping = (id: string) => json(['appservice', 'ping', id], cwd)
  const refused = await ping('bridge')
  bridge.onQuery(async () => 200)
  const heard = await ping('bridge').finally(() => bridge.stop())
  expect([refused.code, refused.body.error.code]).toEqual([1, 'M_BAD_STATUS'])
  expect(heard).toEqual({ code: 0, body: { id: 'bridge', duration_ms: expect.any(Number) } })
  const away = await ping('down')
  expect([away.code, away.body.error.code]).toEqual([69, 'M_CONNECTION_FAILED'])
})
