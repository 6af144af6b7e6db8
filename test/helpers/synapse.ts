import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { benchClient } from '../bench/client.ts'
import { freePort, type Homeserver, makeCertificate, type TestAuthority } from './tls-servers.ts'

const ASKED_EVERY_MS = 100
const NO_LIMIT = { per_second: 10_000, burst_count: 10_000 }
const LIMITS = [
  'message',
  'registration',
  'joins',
  'invites',
  'login',
  'joins_per_room',
  'room_creation',
  'key_requests',
]

/** A Synapse that stands ready to be started. */
export interface PreparedSynapse {
  readonly name: string
  readonly python: string
  readonly dir: string
  readonly config: string
  readonly clientPort: number
}

/** One in `dir`, run by the given Python: its certificate is the authority's, and it believes that authority alone. */
export async function prepareSynapse(python: string, dir: string, authority: TestAuthority): Promise<PreparedSynapse> {
  mkdirSync(dir, { recursive: true })
  const [port, clientPort] = [await freePort(), await freePort()]
  const name = `localhost:${port}`
  const { cert, key } = await makeCertificate(dir, authority, ['localhost'])
  const config = join(dir, 'homeserver.yaml')
  writeFileSync(config, stringify(settings({ dir, name, port, clientPort, cert, key, authority })))
  await ended(run(python, dir, ['--config-path', config, '--generate-keys']))
  return { name, python, dir, config, clientPort }
}

export async function startSynapse({ name, python, dir, config, clientPort }: PreparedSynapse): Promise<Homeserver> {
  const child = run(python, dir, ['--config-path', config])
  const url = `http://127.0.0.1:${clientPort}`
  await listening(child, url, dir)
  const client = benchClient(clientPort, 32)
  return {
    name,
    url,
    client,
    async stop(signal = 'SIGTERM') {
      client.close()
      child.kill(signal)
      await ended(child).catch(() => undefined)
    },
  }
}

function settings(its: {
  readonly dir: string
  readonly name: string
  readonly port: number
  readonly clientPort: number
  readonly cert: string
  readonly key: string
  readonly authority: TestAuthority
}): object {
  const resources = [{ names: ['client', 'federation'], compress: false }]
  const bound = { type: 'http', bind_addresses: ['127.0.0.1', '::1'], resources }
  return {
    server_name: its.name,
    listeners: [
      { ...bound, port: its.port, tls: true },
      { ...bound, port: its.clientPort, tls: false },
    ],
    tls_certificate_path: its.cert,
    tls_private_key_path: its.key,
    federation_custom_ca_list: [its.authority.cert],
    // The other server is on this machine.
    ip_range_blacklist: [],
    federation_ip_range_blacklist: [],
    trusted_key_servers: [],
    database: { name: 'sqlite3', args: { database: join(its.dir, 'homeserver.db') } },
    media_store_path: join(its.dir, 'media'),
    signing_key_path: join(its.dir, 'signing.key'),
    pid_file: join(its.dir, 'synapse.pid'),
    log_config: logging(its.dir),
    enable_registration: true,
    enable_registration_without_verification: true,
    allow_public_rooms_over_federation: true,
    room_list_publication_rules: [{ action: 'allow' }],
    report_stats: false,
    macaroon_secret_key: 'secret of a test',
    form_secret: 'secret of a test',
    bcrypt_rounds: 4,
    ...Object.fromEntries(LIMITS.map((limit) => [`rc_${limit}`, limitOf(limit)])),
    rc_federation: { sleep_limit: 10_000, reject_limit: 10_000, concurrent: 100 },
  }
}

function limitOf(limit: string): object {
  if (limit === 'joins') return { local: NO_LIMIT, remote: NO_LIMIT }
  if (limit === 'invites') return { per_room: NO_LIMIT, per_user: NO_LIMIT, per_issuer: NO_LIMIT }
  if (limit === 'login') return { address: NO_LIMIT, account: NO_LIMIT, failed_attempts: NO_LIMIT }
  return NO_LIMIT
}

/** Warnings go to a file, which is shown when the server does not start. */
function logging(dir: string): string {
  const path = join(dir, 'log.yaml')
  const handlers = { file: { class: 'logging.FileHandler', formatter: 'plain', filename: join(dir, 'synapse.log') } }
  const formatters = { plain: { format: '%(asctime)s %(levelname)s %(name)s %(message)s' } }
  const level = process.env.DENDRITE_TEST_SYNAPSE_LOG ?? 'WARNING'
  writeFileSync(path, stringify({ version: 1, formatters, handlers, root: { level, handlers: ['file'] } }))
  return path
}

function run(python: string, dir: string, args: readonly string[]): ChildProcess {
  return spawn(python, ['-m', 'synapse.app.homeserver', ...args], { cwd: dir, stdio: 'ignore' })
}

/** Resolves once it has ended well. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => (child.exitCode === 0 ? resolve() : reject(new Error(`Synapse ended with ${child.exitCode}`)))
    if (child.exitCode !== null || child.signalCode !== null) done()
    else child.once('close', done)
  })
}

async function listening(child: ChildProcess, url: string, dir: string): Promise<void> {
  while (child.exitCode === null) {
    if (
      await fetch(`${url}/health`).then(
        (reply) => reply.ok,
        () => false,
      )
    )
      return
    await new Promise((resolve) => setTimeout(resolve, ASKED_EVERY_MS))
  }
  throw new Error(`Synapse ended before it listened:\n${readFileSync(join(dir, 'synapse.log'), 'utf8')}`)
}
