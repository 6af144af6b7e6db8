import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { migrateToLatest } from '../../src/cli/migrations.ts'
import { configFrom } from '../../src/config/load.ts'
import { generateSigningKey, writeKeyPem } from '../../src/core/keys.ts'
import type { Follower } from '../../src/followers/follower.ts'
import { startFollowers } from '../../src/followers/start.ts'
import { startServer } from '../../src/http/server.ts'
import { systemRandom } from '../../src/live/time.ts'
import { type OpenedApp, openApp } from '../../src/open-app.ts'
import type { Transport } from '../../src/remote/transport.ts'
import { TASK_KINDS } from '../../src/tasks/kinds.ts'
import { startTasks } from '../../src/tasks/run.ts'
import { ROOT } from '../spec/table.ts'
import { inspectReplies, throwReplyFaults } from './replies.ts'

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export interface Account {
  readonly userId: string
  readonly token: string
  readonly deviceId: string
}

export interface TestServer {
  readonly url: string
  readonly app: OpenedApp
  readonly followers: Follower
  /** Of its key and files. */
  readonly dir: string
  call(method: string, path: string, options?: { token?: string; body?: unknown; raw?: string }): Promise<Reply>
  register(localpart: string): Promise<Account>
  stop(): Promise<void>
}

/** For servers that meet others. */
export interface TestFederation {
  readonly clientApi?: Record<string, unknown>
  /** More of the configuration's section `global`. */
  readonly global?: Record<string, unknown>
  readonly http?: Record<string, unknown>
  readonly serverName?: string
  /** The signing key, where several processes share it. */
  readonly keyPem?: string
  readonly transport?: Transport
  readonly federationApi?: Record<string, unknown>
  readonly syncApi?: Record<string, unknown>
  readonly mediaApi?: Record<string, unknown>
  readonly userApi?: Record<string, unknown>
  readonly roomServer?: Record<string, unknown>
  /** Registrations of application services, in YAML or JSON. */
  readonly registrations?: readonly string[]
}

export const TEST_PASSWORD = 'correct horse battery'

/** A real server over HTTP on a free port; without a database of the test's, on a SQLite file of its own. */
export async function startTestServer(
  clientApi: Record<string, unknown> = {},
  connectionString = 'file:test.db',
  federation: TestFederation = {},
): Promise<TestServer> {
  inspectReplies()
  const {
    serverName = 'test.example',
    transport,
    federationApi = {},
    syncApi = {},
    mediaApi = {},
    userApi = {},
    roomServer = {},
    global = {},
    http = {},
    registrations = [],
  } = federation
  const keyPem = federation.keyPem ?? writeKeyPem(generateSigningKey(systemRandom.bytes))
  const dir = await mkdtemp(join(tmpdir(), 'dendrite-http-'))
  await writeFile(join(dir, 'matrix_key.pem'), keyPem)
  const configFiles = registrations.map((_, index) => `appservice-${index}.yaml`)
  for (const [index, text] of registrations.entries()) await writeFile(join(dir, configFiles[index]!), text)
  const config = configFrom({
    version: 2,
    global: {
      server_name: serverName,
      private_key: 'matrix_key.pem',
      database: { connection_string: connectionString },
      ...global,
    },
    client_api: { registration_disabled: false, rate_limiting: { enabled: false }, ...clientApi },
    federation_api: federationApi,
    sync_api: syncApi,
    media_api: mediaApi,
    room_server: roomServer,
    app_service_api: { config_files: configFiles },
    http,
    user_api: { password_hashing: 'cheap', ...userApi },
  })
  const log = pino({ level: 'silent' })
  await migrateToLatest(config, dir, log)
  const [thumbnailer, stateResolver] = ['thumbnail', 'state-resolver'].map((name) =>
    join(ROOT, 'dist', `${name}-main.cjs`),
  ) as [string, string]
  const opened = { config, dir, log, templates: join(ROOT, 'templates'), thumbnailer, stateResolver, exclusive: false }
  const app = await openApp({ ...opened, ...(transport === undefined ? {} : { transport }) })
  const server = await startServer(app, { http: { host: '127.0.0.1', port: 0 } })
  const followers = await startFollowers(app)
  const tasks = await startTasks(app, TASK_KINDS)
  const url = server.addresses[0] ?? ''
  const call: TestServer['call'] = async (method, path, { token, body, raw } = {}) => {
    const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    if (text !== undefined) headers['Content-Type'] = 'application/json'
    const reply = await fetch(`${url}${path}`, { method, headers, ...(text === undefined ? {} : { body: text }) })
    const read = (await reply.json()) as Record<string, unknown>
    throwReplyFaults()
    return { status: reply.status, headers: reply.headers, body: read }
  }
  return {
    url,
    app,
    followers,
    dir,
    call,
    async register(username) {
      const body = { username, password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
      const reply = await call('POST', '/_matrix/client/v3/register', { body })
      if (reply.status !== 200) throw new Error(`registering ${username}: ${JSON.stringify(reply.body)}`)
      const { user_id: userId, access_token: token, device_id: deviceId } = reply.body
      return { userId: String(userId), token: String(token), deviceId: String(deviceId) }
    },
    async stop() {
      await server.stop()
      await followers.stop()
      await tasks.stop()
      await app.close()
      await rm(dir, { recursive: true, force: true })
      throwReplyFaults()
    },
  }
}
