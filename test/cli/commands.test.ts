import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { benchClient, type Client } from '../bench/client.ts'
import { runCli } from '../helpers/cli.ts'
import { eachEngine } from '../helpers/databases.ts'
import { prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'
import { killMigrations } from './migrate-killed.ts'

// Each test starts the program a few times.
vi.setConfig({ testTimeout: 60_000 })

const V3 = '/_matrix/client/v3'
const PASSWORD = 'correct horse battery'
const SENDERS = 16
const KILLS = 4

eachEngine((engine, fresh) => {
  const undo: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step()
  })

  /** The configuration of a server that nobody has started, on a database that nobody has touched. */
  async function prepare(): Promise<string> {
    const { options } = await fresh('empty')
    const dir = mkdtempSync(join(tmpdir(), 'dendrite-cli-'))
    undo.push(async () => rmSync(dir, { recursive: true, force: true }))
    return prepareServer(dir, engine === 'postgres' ? options.connectionString : undefined)
  }

  async function serve(config: string): Promise<{ server: ServerProcess; client: Client }> {
    const server = await startServerProcess(config)
    undo.push(() => server.end('SIGKILL'))
    const client = benchClient(server.port, SENDERS * 2)
    undo.push(async () => client.close())
    return { server, client }
  }

  const accounts = (config: string, ...args: string[]) => runCli(['create-account', '--config', config, ...args])

  test('migrate says what is pending, does it, and has nothing to do afterwards', async () => {
    const config = await prepare()
    const migrate = (...args: string[]) => runCli(['migrate', ...args, '--config', config, '--json'])
    const newest = MIGRATIONS.at(-1)!.number
    const pending = MIGRATIONS.map(({ number, name }) => `${number} ${name}`)
    const dry = await migrate('--dry-run')
    expect([dry.code, JSON.parse(dry.stdout)]).toEqual([10, { current: 0, pending, applied: [] }])
    const done = await migrate()
    expect([done.code, JSON.parse(done.stdout)]).toEqual([0, { applied: pending }])
    expect(JSON.parse((await migrate('status')).stdout)).toEqual({ current: newest, pending: [] })
    expect((await migrate('--dry-run')).code).toBe(0)
    expect(JSON.parse((await migrate()).stdout)).toEqual({ applied: [] })
  })

  test('migrate, killed at any statement, leaves the old schema or a new one', () => killMigrations(prepare, KILLS))

  test('accounts come from a file while no server runs, and log in when one does', async () => {
    const config = await prepare()
    await runCli(['migrate', '--config', config])
    const list = `${config}.jsonl`
    const lines = [
      { username: 'ann', password: PASSWORD, admin: true },
      { username: 'ben', password: PASSWORD },
    ]
    writeFileSync(list, lines.map((line) => JSON.stringify(line)).join('\n'))
    const made = await accounts(config, '--from-file', list, '--json')
    expect([made.code, JSON.parse(made.stdout)]).toEqual([
      0,
      {
        accounts: [
          { user_id: '@ann:localhost', created: true, admin: true },
          { user_id: '@ben:localhost', created: true, admin: false },
        ],
      },
    ])
    const third = JSON.stringify({ username: 'cyd', password: PASSWORD })
    const again = await runCli(
      ['create-account', '--config', config, '--from-file', '-', '--if-not-exists', '--json'],
      { input: `${JSON.stringify(lines[0])}\n\n${third}\n` },
    )
    expect(JSON.parse(again.stdout).accounts.map((one: { created: boolean }) => one.created)).toEqual([false, true])
    expect((await accounts(config, '--from-file', list)).code).toBe(4)
    const { client } = await serve(config)
    for (const user of ['ann', 'ben', 'cyd']) expect(await logIn(client, user, PASSWORD)).toBe(200)
  })

  test('accounts and passwords are made beside a server under load', async () => {
    const config = await prepare()
    const { server, client } = await serve(config)
    let loaded = true
    const load = sendUntil(client, () => !loaded)
    for (const name of ['one', 'two', 'three']) {
      const made = await accounts(config, '--username', name, '--password', PASSWORD)
      expect([made.code, made.stderr]).toEqual([0, ''])
      expect(await logIn(client, name, PASSWORD)).toBe(200)
    }
    const changed = await accounts(config, '--username', 'two', '--reset-password', '--password', 'another one here')
    expect(changed.code).toBe(0)
    expect([await logIn(client, 'two', PASSWORD), await logIn(client, 'two', 'another one here')]).toEqual([403, 200])
    loaded = false
    expect(await load).toBeGreaterThan(SENDERS)
    await server.end('SIGTERM')
    expect(await server.exited).toBe(0)
  })

  test('SIGTERM ends long polls and the server, with exit code 0', async () => {
    const config = await prepare()
    const { server, client } = await serve(config)
    const token = await register(client, 'alice')
    const { next_batch: since } = (await client.call('GET', `${V3}/sync`, { token })).body
    const poll = client.call('GET', `${V3}/sync?timeout=60000&since=${since}`, { token })
    // The poll has arrived when a request behind it was answered.
    await client.call('GET', `${V3}/account/whoami`, { token })
    await server.end('SIGTERM')
    expect(await server.exited).toBe(0)
    expect((await poll).status).toBe(200)
  })
})

test('a second signal ends a server that waits for a request', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-cli-'))
  try {
    const server = await startServerProcess(prepareServer(dir, undefined))
    const client = benchClient(server.port, 2)
    const token = await register(client, 'alice')
    client.close()
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    const head = ['POST /_matrix/client/v3/createRoom HTTP/1.1', 'host: x', `authorization: Bearer ${token}`]
    socket.write(`${head.join('\r\n')}\r\nexpect: 100-continue\r\ncontent-length: 1000\r\n\r\n{`)
    // "100 Continue" says that the server has the request; a signal before would find the connection idle.
    await once(socket, 'data')
    void server.end('SIGTERM')
    // While the first stops it takes no more connections: from then on the second counts.
    await refused(server.port)
    await server.end('SIGTERM')
    expect(await server.exited).not.toBe(0)
    socket.destroy()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((done) => {
      socket.once('connect', () => done(true))
      socket.once('error', () => done(false))
    })
    socket.destroy()
    if (!open) return
    await new Promise(setImmediate)
  }
}

async function register(client: Client, username: string): Promise<string> {
  const body = { username, password: PASSWORD, auth: { type: 'm.login.dummy' } }
  return (await client.call('POST', `${V3}/register`, { body })).body.access_token
}

async function logIn(client: Client, user: string, password: string): Promise<number> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password }
  return (await client.call('POST', `${V3}/login`, { body })).status
}

/** Sends from many sides at once; answers how many messages were taken. */
async function sendUntil(client: Client, stop: () => boolean): Promise<number> {
  const token = await register(client, 'loud')
  const { room_id: roomId } = (await client.call('POST', `${V3}/createRoom`, { token, body: {} })).body
  let sent = 0
  const sender = async (name: number) => {
    for (let n = 0; !stop(); n++) {
      const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${name}-${n}`
      const { status } = await client.call('PUT', path, { token, body: { msgtype: 'm.text', body: 'load' } })
      expect(status).toBe(200)
      sent += 1
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, (_none, name) => sender(name)))
  return sent
}
