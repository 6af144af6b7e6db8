import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
export const RUN = join(ROOT, 'bin/run.js')
/** What the first line of `bin/run.js` gives to Node where it is run as a program, as variables. */
export const AS_INSTALLED = asInstalled()

export interface ServerProcess {
  readonly port: number
  readonly pid: number
  /** Resolves once the process is gone. */
  end(signal: NodeJS.Signals): Promise<void>
  /** Resolves with the exit code once the process is gone; null when a signal ended it. */
  readonly exited: Promise<number | null>
}

/** Writes the configuration for tests and the key into the directory, and answers with the configuration's path. */
export function prepareServer(dir: string, databaseUri: string | undefined): string {
  mkdirSync(dir, { recursive: true })
  const config = join(dir, 'dendrite.yaml')
  writeFileSync(config, configText(dir, databaseUri))
  cli('generate-keys', '--private-key', join(dir, 'matrix_key.pem'))
  return config
}

/** The configuration for tests of a server in the directory. */
export function configText(dir: string, databaseUri: string | undefined): string {
  const database = databaseUri === undefined ? [] : ['--db', databaseUri]
  return cli('config', 'init', '--print', '--ci', '--dir', dir, ...database)
}

function cli(...args: readonly string[]): string {
  return execFileSync(process.execPath, [RUN, ...args], { encoding: 'utf8' })
}

/** Starts the built server, on a free port unless one is given, and waits until it says that it listens. */
export function startServerProcess(
  config: string,
  env: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
  port = 0,
): Promise<ServerProcess> {
  const bind = ['--http-bind-address', `127.0.0.1:${port}`, ...more]
  const flags = [...bind, '--really-enable-open-registration', '--log-format', 'json']
  const child = spawn(process.execPath, [RUN, 'serve', '--config', config, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  })
  const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)))
  return new Promise((resolvePort, reject) => {
    let said = ''
    const closed = () => reject(new Error(`The server ended before it listened:\n${said}`))
    child.once('close', closed)
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1]
      if (port === undefined) return
      child.off('close', closed)
      child.stderr.removeAllListeners('data').resume()
      resolvePort({ port: Number(port), pid: child.pid ?? 0, end: (signal) => end(child, signal), exited })
    })
  })
}

function asInstalled(): Readonly<Record<string, string>> {
  const [, variables = '', flags = ''] = /^#!\/usr\/bin\/env -S (.*) node (.*)$/m.exec(readFileSync(RUN, 'utf8')) ?? []
  return { ...Object.fromEntries(variables.split(' ').map((one) => one.split('='))), NODE_OPTIONS: flags }
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done()
    child.once('close', () => done())
    child.kill(signal)
  })
}
