import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { makeSigningKey } from '../../src/cli/make-keys.ts'
import { readKeyPem } from '../../src/core/keys.ts'
import { bodies, enterAt, hears, joinBy, sees, sessionAt, until } from '../helpers/meeting.ts'
import { inRoom, type Json, type Session } from '../helpers/session.ts'
import {
  freePort,
  makeAuthority,
  prepareTlsServer,
  type RunningTlsServer,
  runCommand,
  startTlsServer,
  type TestAuthority,
} from '../helpers/tls-servers.ts'

const MISSED = 500
const AT_ONCE = 10

let dir: string
let authority: TestAuthority
const running = new Map<string, RunningTlsServer>()

/** Three servers in processes of their own, which find one another by name and port, and believe one authority. */
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'dendrite-tls-'))
  authority = await makeAuthority(dir)
  await Promise.all(['a', 'b', 'c'].map(start))
}, 120_000)
afterAll(async () => {
  await Promise.all([...running.values()].map((server) => server.stop('SIGKILL')))
  rmSync(dir, { recursive: true, force: true })
})

async function start(name: string): Promise<RunningTlsServer> {
  const known = running.get(name)
  const server = known ?? (await prepareTlsServer(join(dir, name), authority))
  const started = await startTlsServer(server as never, authority)
  running.set(name, started)
  return started
}

test('users of three servers join, talk, edit, redact and leave', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => running.get(name)!) as [RunningTlsServer, ...RunningTlsServer[]]
  const [alice, bob, carol] = [await enterAt(a, 'alice'), await enterAt(b!, 'bob'), await enterAt(c!, 'carol')]
  const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Three' })
  await joinBy(bob, roomId, a)
  await joinBy(carol, roomId, b!)
  const said = await bob.send(roomId, 'hello from b')
  for (const user of [alice, carol]) await hears(user, roomId, 'hello from b')

  const edited = { 'm.new_content': { msgtype: 'm.text', body: 'edited' }, msgtype: 'm.text', body: '* edited' }
  await bob.send(roomId, { ...edited, 'm.relates_to': { rel_type: 'm.replace', event_id: said } })
  await hears(carol, roomId, '* edited')
  await bob.put(`${inRoom(roomId)}/redact/${encodeURIComponent(said)}/r1`, {})
  const content = async () => (await carol.get(`${inRoom(roomId)}/event/${encodeURIComponent(said)}`)).content
  await until(async () => Object.keys(await content()).length === 0)

  await bob.post(`${inRoom(roomId)}/leave`)
  await sees(carol, roomId, bob.userId, 'leave')
}, 120_000)

test(`a server that is killed catches up with ${MISSED} events`, async () => {
  const [a, b] = [running.get('a')!, running.get('b')!]
  const [alice, bob] = [await enterAt(a, 'anna'), await enterAt(b, 'ben')]
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await joinBy(bob, roomId, a)
  await hears(bob, roomId, await marked(alice, roomId, 'before'))
  await b.stop('SIGKILL')
  for (let start = 0; start < MISSED; start += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => alice.send(roomId, `missed ${start + n}`)))
  }
  const again = sessionAt(await start('b'), bob)
  // That it is back, the other server hears when it speaks.
  await again.send(roomId, 'back')
  await hears(again, roomId, `missed ${MISSED - 1}`)
  const heard = (await bodies(again, roomId, 1_000)).filter((body) => body?.startsWith('missed'))
  expect(new Set(heard).size).toBe(MISSED)
  expect(heard).toHaveLength(MISSED)
}, 180_000)

async function marked(user: Session, roomId: string, body: string): Promise<string> {
  await user.send(roomId, body)
  return body
}

test('a server killed amid a join is in the room as a whole, or joins again', async () => {
  const a = running.get('a')!
  const alice = await enterAt(a, 'adam')
  const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Killed' })
  const others = await Promise.all(Array.from({ length: 20 }, (_, n) => enterAt(a, `member${n}`)))
  for (const other of others) await other.join(roomId)
  let bob = await enterAt(running.get('b')!, 'bert')
  for (const delayMs of [20, 100]) {
    const joining = joinBy(bob, roomId, a).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    await running.get('b')!.stop('SIGKILL')
    await joining
    bob = sessionAt(await start('b'), bob)
  }
  await joinBy(bob, roomId, a)
  const { joined } = await bob.get(`${inRoom(roomId)}/joined_members`)
  expect(Object.keys(joined)).toHaveLength(others.length + 2)
  await hears(alice, roomId, await marked(bob, roomId, 'here at last'))
}, 180_000)

test('federation check sees what others see, also after the key was replaced', async () => {
  const a = running.get('a')!
  const trusting = { NODE_EXTRA_CA_CERTS: authority.cert }
  const check = async (name: string, env: Record<string, string> = trusting) => {
    const { code, out } = await runCommand(['federation', 'check', name, '--json'], env)
    return { code, report: JSON.parse(out) as Json }
  }
  const good = await check(a.name)
  expect([good.code, good.report.ok, good.report.well_known]).toEqual([0, true, null])
  expect(good.report.connections[0]).toMatchObject({ software: expect.stringMatching(/^Dendrite/i), faults: [] })
  expect(good.report.connections[0].certificate).toMatchObject({ holds: true, chain: ['localhost', 'authority.test'] })
  const doubtful = await check(a.name, {})
  expect([doubtful.code, doubtful.report.connections[0].certificate.holds]).toEqual([1, false])
  expect((await check(`localhost:${await freePort()}`)).code).toBe(69)
  expect((await runCommand(['federation', 'check', 'no server'])).code).toBe(2)

  const alice = await enterAt(a, 'agnes')
  const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Signed by the old key' })
  await a.stop()
  const oldKey = replaceKey(a.dir)
  const renewed = await start('a')
  const { report } = await check(renewed.name)
  expect(report.ok).toBe(true)
  const keys: Json[] = report.connections[0].keys
  expect(keys.map((key) => [key.key_id === oldKey, key.expired_at !== undefined])).toEqual([
    [false, false],
    [true, true],
  ])
  // A server that never saw the old key in use believes what it signed.
  const dora = await enterAt(await start('d'), 'dora')
  await joinBy(dora, roomId, renewed)
  await hears(sessionAt(renewed, alice), roomId, await marked(dora, roomId, 'the old key holds'))
}, 120_000)

/** A new signing key; the old one is named in the configuration as used until now. Returns its id. */
function replaceKey(serverDir: string): string {
  const [path, oldPath, config] = ['matrix_key.pem', 'old_key.pem', 'dendrite.yaml'].map((file) =>
    join(serverDir, file),
  )
  const { keyId } = readKeyPem(readFileSync(path!, 'utf8'))
  renameSync(path!, oldPath!)
  makeSigningKey(path!)
  const settings = parse(readFileSync(config!, 'utf8'))
  settings.global.old_private_keys = [{ private_key: oldPath, expired_at: Date.now() }]
  writeFileSync(config!, stringify(settings))
  return keyId
}
