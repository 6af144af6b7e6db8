import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDnsServer } from '../helpers/dns-server.ts'
import { type EncryptedClient, encryptedClient, knowing, textOf } from '../helpers/encrypted-client.ts'
import { sdk, until as untilShown } from '../helpers/js-sdk.ts'
import { bodies, enterAt, hears, joinBy, joinPath, logInAt, sees, until } from '../helpers/meeting.ts'
import type { Json, Session } from '../helpers/session.ts'
import {
  freePort,
  type Homeserver,
  makeAuthority,
  makeCertificate,
  prepareTlsServer,
  runCommand,
  startTlsServer,
  type TestAuthority,
} from '../helpers/tls-servers.ts'

/** `.well-known` is on port 443 and nowhere else; an address of the test's own keeps others out of the way. */
const WEB_HOST = `127.${1 + (process.pid % 250)}.${(process.pid >> 8) % 256}.4`
const LOOPBACK = ['127.0.0.1', '::1']

let web: Server | undefined
const dir = mkdtempSync(join(tmpdir(), 'dendrite-names-'))
const authority = await makeAuthority(dir)
const delegations: Record<string, string> = {}
try {
  web = await startWeb(authority)
} catch (error) {
  if (process.env.CI !== undefined) throw error
  console.error(`NOT TESTED: names of servers, as port 443 is not to be had: ${(error as Error).message}`)
}

/** The web server of b.test and c.test. */
async function startWeb(signedBy: TestAuthority): Promise<Server> {
  const { cert, key } = await makeCertificate(dir, signedBy, ['b.test', 'c.test'])
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    const name = request.url === '/.well-known/matrix/server' ? delegations[request.headers.host ?? ''] : undefined
    response.writeHead(name === undefined ? 404 : 200).end(JSON.stringify({ 'm.server': name }))
  })
  server.listen(443, WEB_HOST)
  await once(server, 'listening')
  return server
}

/** Each is found in another way, and its certificate has the name that this way ends at. */
describe.runIf(web !== undefined)('servers that DNS and the web lead to', () => {
  let [a, b, c]: Homeserver[] = []
  const undo: (() => unknown)[] = []

  beforeAll(async () => {
    const ports = [await freePort(), await freePort(), await freePort()] as const
    delegations['b.test'] = `matrix.b.test:${ports[1]}`
    delegations['c.test'] = 'delegated.test'
    const dns = await startDnsServer({
      hosts: {
        'machine.test': LOOPBACK,
        'matrix.b.test': LOOPBACK,
        'b.test': [WEB_HOST],
        'c.test': [WEB_HOST],
      },
      srv: {
        '_matrix-fed._tcp.a.test': { target: 'machine.test', port: ports[0] },
        '_matrix._tcp.delegated.test': { target: 'machine.test', port: ports[2] },
      },
    })
    undo.push(() => dns.stop())
    const start = async (name: string, port: number, certified: string) => {
      const federationApi = { dns_servers: [dns.address] }
      const prepared = await prepareTlsServer(join(dir, name), authority, { name, port, certified, federationApi })
      const server = await startTlsServer(prepared, authority)
      undo.push(() => server.stop('SIGKILL'))
      return server
    }
    ;[a, b, c] = await Promise.all([
      start('a.test', ports[0], 'a.test'),
      start('b.test', ports[1], 'matrix.b.test'),
      start('c.test', ports[2], 'delegated.test'),
    ])
  }, 180_000)
  afterAll(async () => {
    await Promise.all(undo.map((step) => step()))
    web?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('share a room, and shut one of them out of it', async () => {
    const [alice, bob, carol] = [await enterAt(a!, 'alice'), await enterAt(b!, 'bob'), await enterAt(c!, 'carol')]
    const [roomId, open] = [
      await alice.createRoom({ preset: 'public_chat' }),
      await alice.createRoom({ preset: 'public_chat' }),
    ]
    for (const room of [roomId, open]) {
      await joinBy(bob, room, a!)
      await joinBy(carol, room, b!)
    }
    for (const user of [alice, bob, carol]) await user.send(roomId, `hello from ${user.userId}`)
    for (const user of [alice, bob, carol]) {
      for (const other of [alice, bob, carol]) await hears(user, roomId, `hello from ${other.userId}`)
    }
    await alice.setState(roomId, 'm.room.server_acl', { allow: ['*'], deny: ['c.test'] })
    const denied = async (user: Session) =>
      (await user.call('GET', `/rooms/${encodeURIComponent(roomId)}/state/m.room.server_acl/`)).status === 200
    for (const user of [bob, carol]) await until(() => denied(user))
    await carol.send(roomId, 'does anybody hear me?')
    await bob.send(roomId, 'c is shut out')
    await hears(alice, roomId, 'c is shut out')
    // What it says elsewhere comes after that.
    await carol.send(open, 'and here?')
    for (const user of [alice, bob]) await hears(user, open, 'and here?')
    for (const user of [alice, bob]) expect(await bodies(user, roomId)).not.toContain('does anybody hear me?')
    const acl = { type: 'm.room.server_acl', content: { allow: ['*'], deny: ['c.test'] } }
    const closed = await alice.createRoom({ preset: 'public_chat', initial_state: [acl] })
    expect(await carol.refused('POST', joinPath(closed, a!))).toBe('403 M_FORBIDDEN')
  })

  test('are found by `federation check` with the name servers of the configuration', async () => {
    const env = { NODE_EXTRA_CA_CERTS: authority.cert }
    const check = async (...args: string[]) => {
      const { out } = await runCommand(['federation', 'check', ...args, '--json'], env)
      return JSON.parse(out) as Json
    }
    const found = await check('c.test', '--config', join(dir, 'a.test', 'dendrite.yaml'))
    expect([found.reachable, found.well_known.server]).toEqual([true, 'delegated.test'])
    // It listens on one of the two addresses.
    const good = found.connections.filter(({ faults }: Json) => faults.length === 0)
    expect(good.map(({ certificate }: Json) => certificate.names)).toEqual([expect.arrayContaining(['delegated.test'])])
    expect(found.srv.flatMap(({ targets }: Json) => targets)).toEqual([expect.stringMatching(/^machine.test:\d+$/)])
    expect((await check('c.test')).reachable).toBe(false)
  })

  test('carry an encrypted conversation, also to devices that come later', async () => {
    const { EventType, MsgType } = await sdk()
    const device = async (server: Homeserver, account: Session) => {
      const opened = await encryptedClient(server, account, {})
      undo.unshift(() => opened.client.stopClient())
      return opened
    }
    const [hers, his] = [await enterAt(a!, 'anna'), await enterAt(b!, 'ben')]
    const [anna, ben] = [await device(a!, hers), await device(b!, his)]
    const encryption = { type: EventType.RoomEncryption, content: { algorithm: 'm.megolm.v1.aes-sha2' } }
    const roomId = await hers.createRoom({ preset: 'public_chat', initial_state: [encryption] })
    await joinBy(his, roomId, a!)
    await sees(hers, roomId, his.userId, 'join')
    for (const { client } of [anna, ben]) {
      await untilShown(
        client,
        () => client.getRoom(roomId)?.getJoinedMemberCount() === 2 && client.isRoomEncrypted(roomId),
      )
    }
    const say = async ({ client }: EncryptedClient, body: string) =>
      (await client.sendMessage(roomId, { msgtype: MsgType.Text, body })).event_id
    expect(await textOf(ben, roomId, await say(anna, 'for ben'))).toBe('for ben')
    expect(await textOf(anna, roomId, await say(ben, 'for anna'))).toBe('for anna')
    const later = await logInAt(b!, his.userId)
    const phone = await device(b!, later)
    await knowing(anna, his.userId, ({ deviceId }) => deviceId === later.deviceId)
    expect(await textOf(phone, roomId, await say(anna, 'for the phone too'))).toBe('for the phone too')
    const { chunk } = await hers.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b`)
    expect(chunk.filter((event: Json) => event.type === EventType.RoomMessage)).toEqual([])
  }, 120_000)
})
