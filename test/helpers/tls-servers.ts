import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { makeSigningKey, makeTlsFiles } from '../../src/cli/make-keys.ts'
import { benchClient, type Client } from '../bench/client.ts'
import { configText, RUN, type ServerProcess, startServerProcess } from './server-process.ts'

/** A certificate authority of the test's own. */
export interface TestAuthority {
  readonly cert: string
  readonly key: string
}

/** A server that stands ready to be started: its name has a port, its certificate is the authority's. */
export interface TlsServer {
  readonly name: string
  readonly dir: string
  readonly config: string
}

/** A running server of any make, as its users and other servers see it. */
export interface Homeserver {
  readonly name: string
  /** Where clients reach it. */
  readonly url: string
  readonly client: Client
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface RunningTlsServer extends TlsServer, Homeserver {
  readonly process: ServerProcess
}

export async function makeAuthority(dir: string): Promise<TestAuthority> {
  const files = { cert: join(dir, 'authority.crt'), key: join(dir, 'authority.key') }
  await makeTlsFiles(files, { names: ['authority.test'] })
  return files
}

export async function makeCertificate(dir: string, authority: TestAuthority, names: readonly string[]) {
  const files = { cert: join(dir, 'server.crt'), key: join(dir, 'server.key') }
  await makeTlsFiles(files, { names, authority })
  return files
}

/** `more` goes over the configuration, section by section. */
export async function prepareTlsServer(
  dir: string,
  authority: TestAuthority,
  more: {
    readonly name?: string
    readonly port?: number
    readonly databaseUri?: string
    readonly global?: object
    readonly federationApi?: object
    /** On the certificate, instead of the server's own. */
    readonly certified?: string
  } = {},
): Promise<TlsServer & { readonly port: number }> {
  mkdirSync(dir, { recursive: true })
  const port = more.port ?? (await freePort())
  const name = more.name ?? `localhost:${port}`
  await makeCertificate(dir, authority, [more.certified ?? name.replace(/:[0-9]+$/, ''), 'localhost'])
  makeSigningKey(join(dir, 'matrix_key.pem'))
  const made = parse(configText(dir, more.databaseUri))
  made.global = { ...made.global, server_name: name, ...more.global }
  made.federation_api = { ...made.federation_api, disable_tls_validation: false, ...more.federationApi }
  const config = join(dir, 'dendrite.yaml')
  writeFileSync(config, stringify(made))
  return { name, dir, config, port }
}

/** Starts it with TLS on `port`, and with an HTTP port for clients. */
export async function startTlsServer(
  server: TlsServer & { readonly port: number },
  authority: TestAuthority,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningTlsServer> {
  const tls = ['--tls-cert', join(server.dir, 'server.crt'), '--tls-key', join(server.dir, 'server.key')]
  const flags = ['--https-bind-address', `localhost:${server.port}`, ...tls]
  const process = await startServerProcess(server.config, { NODE_EXTRA_CA_CERTS: authority.cert, ...env }, flags)
  const client = benchClient(process.port, 32)
  return {
    ...server,
    process,
    url: `http://127.0.0.1:${process.port}`,
    client,
    async stop(signal = 'SIGTERM') {
      client.close()
      await process.end(signal)
    },
  }
}

/** Runs a command of the built program; resolves with its exit code and what it printed. */
export function runCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [RUN, ...args], { env: { ...process.env, ...env } })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  return new Promise<{ code: number | null; out: string; err: string }>((done) => {
    child.once('close', (code) => done({ code, out, err }))
  })
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
