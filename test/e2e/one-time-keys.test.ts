import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { claimLocalKeys } from '../../src/actions/keys/claim-keys.ts'
import type { App } from '../../src/app.ts'
import type { Database } from '../../src/db/database.ts'
import { eachEngine, freshPostgres } from '../helpers/databases.ts'
import { oneTimeKeys } from '../helpers/device-keys.ts'
import { type Account, startTestServer, TEST_PASSWORD } from '../helpers/server.ts'
import { prepareServer, startServerProcess } from '../helpers/server-process.ts'

const V3 = '/_matrix/client/v3'
const KEYS = 60
const CLAIMERS = 6
const IDS = Array.from({ length: KEYS }, (_, n) => `K${String(n).padStart(3, '0')}`)

/** Calls of a client, which knows nothing of what a dead server did. */
function client(port: number, token?: string) {
  return async (path: string, body: object): Promise<Record<string, unknown>> => {
    const headers = {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    }
    const reply = await fetch(`http://127.0.0.1:${port}${V3}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    expect(reply.status).toBe(200)
    return (await reply.json()) as Record<string, unknown>
  }
}

type Call = ReturnType<typeof client>

async function claim(call: Call, of: Account): Promise<string[]> {
  const wanted = { [of.userId]: { [of.deviceId]: 'signed_curve25519' } }
  const { one_time_keys: users } = await call('/keys/claim', { one_time_keys: wanted })
  const keys = (users as Record<string, Record<string, object>>)[of.userId]?.[of.deviceId]
  return Object.keys(keys ?? {})
}

/** Keys that were given to more than one. */
function givenTwice(names: readonly string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) !== index)
}

async function register(call: Call): Promise<Account> {
  const body = { username: 'alice', password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
  const { user_id: userId, access_token: token, device_id: deviceId } = await call('/register', body)
  return { userId: String(userId), token: String(token), deviceId: String(deviceId) }
}

eachEngine((engine, fresh) => {
  test('a server that is killed amid claims gives no key a second time', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : undefined
    const config = prepareServer(await mkdtemp(join(dir, 'one-time-keys-')), uri)
    const first = await startServerProcess(config)
    const alice = await register(client(first.port))
    const call = client(first.port, alice.token)
    await call('/keys/upload', { one_time_keys: oneTimeKeys(IDS) })
    const given: string[] = []
    const claimers = Array.from({ length: CLAIMERS }, async () => {
      for (;;) {
        const names = await claim(call, alice).catch(() => undefined)
        if (names === undefined) return
        given.push(...names)
        // Amid the claims of the others: some of them are durable, and their answers are lost.
        if (given.length >= KEYS / 3) void first.end('SIGKILL')
      }
    })
    await Promise.all(claimers)
    await first.end('SIGKILL')
    const second = await startServerProcess(config)
    try {
      const again = client(second.port, alice.token)
      await again('/keys/upload', { one_time_keys: oneTimeKeys(IDS) })
      for (let names = await claim(again, alice); names.length > 0; names = await claim(again, alice))
        given.push(...names)
    } finally {
      await second.end('SIGKILL')
    }
    expect(givenTwice(given)).toEqual([])
    expect(given.length).toBeGreaterThanOrEqual(KEYS - CLAIMERS)
  }, 60_000)
})

test('two processes that are asked at the same time give no key twice, and all of them', async () => {
  const undo: (() => Promise<void>)[] = []
  const { options } = await freshPostgres(undo)
  const servers = [
    await startTestServer({}, options.connectionString),
    await startTestServer({}, options.connectionString),
  ]
  try {
    const alice = await servers[0]!.register('alice')
    const body = { one_time_keys: oneTimeKeys(IDS) }
    await servers[0]!.call('POST', `${V3}/keys/upload`, { token: alice.token, body })
    const claims = Array.from({ length: KEYS + 4 }, (_, n) => claimAt(servers[n % 2]!.app, alice))
    const names = (await Promise.all(claims)).flat()
    expect(givenTwice(names)).toEqual([])
    expect(names).toHaveLength(KEYS)
  } finally {
    for (const server of servers) await server.stop()
    for (const step of undo.reverse()) await step()
  }
}, 60_000)

test('the check sees keys that are given twice when nobody guards them', async () => {
  const server = await startTestServer()
  try {
    const alice = await server.register('alice')
    const body = { one_time_keys: oneTimeKeys(IDS) }
    await server.call('POST', `${V3}/keys/upload`, { token: alice.token, body })
    const { app } = server
    const db: Database = {
      ...app.db,
      read: (query) => app.db.read(query),
      commit: (batch) => app.db.commit({ ...batch, guards: [] }),
    }
    const careless: App = { ...app, db, live: { ...app.live, keyClaims: { run: (_, work) => work() } } }
    const names = (await Promise.all(Array.from({ length: 8 }, () => claimAt(careless, alice)))).flat()
    expect(givenTwice(names).length).toBeGreaterThan(0)
  } finally {
    await server.stop()
  }
})

async function claimAt(app: App, { userId, deviceId }: Account): Promise<string[]> {
  const keys = await claimLocalKeys(app, [{ userId, deviceId, algorithm: 'signed_curve25519' }])
  return keys.map((key) => key.name)
}
