import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startPostgres, type TestPostgres } from '../helpers/postgres.ts'
import { type Database, writeDatabaseFile, writePrograms } from './programs.ts'

export interface SuiteOptions {
  /** Checkout of Sytest; nothing is written into it. */
  readonly sytest: string
  /** Where servers, databases and logs go. */
  readonly work: string
  readonly postgres: boolean
  /** As in `tests/30rooms/05aliases.pl`; none: all. */
  readonly files: readonly string[]
  readonly onLine: (line: string) => void
}

const SERVERS = [0, 1]
const PORTS_PER_SERVER = 2
const FIRST_PORT = 18_000
const LAST_PORT = 32_000
const CLI = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
/** The newest whose create event names the creator and whose power levels may: Sytest is older than the others. */
const ROOM_VERSION = '10'
const PERL = fileURLToPath(new URL('perl', import.meta.url))

/** Runs Sytest with its own driver for Dendrite against the built program. Returns its exit status. */
export async function runSuite(options: SuiteOptions): Promise<number> {
  const { work } = options
  mkdirSync(work, { recursive: true })
  for (const n of SERVERS) rmSync(serverDir(work, n), { recursive: true, force: true })
  const postgres = options.postgres ? await startPostgres() : undefined
  try {
    const database = postgres && (await createDatabases(postgres))
    writePrograms(join(work, 'bin'), CLI, join(options.sytest, 'keys', 'ca.crt'), database)
    for (const n of SERVERS) writeDatabaseFile(serverDir(work, n), database, databaseName(n))
    return await runPerl(options, await freePorts(), database)
  } finally {
    await postgres?.stop()
  }
}

/** Named by Sytest. */
function serverDir(work: string, server: number): string {
  return join(work, `server-${server}`)
}

async function createDatabases({ uri }: TestPostgres): Promise<Database> {
  const client = new pg.Client({ connectionString: uri })
  await client.connect()
  for (const n of SERVERS) await client.query(`CREATE DATABASE ${databaseName(n)} TEMPLATE template0 ENCODING 'UTF8'`)
  await client.end()
  const { hostname, port } = new URL(uri)
  return { host: hostname, port }
}

function databaseName(server: number): string {
  return `sytest_${server}`
}

async function runPerl(options: SuiteOptions, ports: string, database: Database | undefined): Promise<number> {
  const { sytest, work, files, onLine } = options
  const driver = ['-I', 'Dendrite::Monolith', '-d', join(work, 'bin'), '-O', 'lines', '--exclude-deprecated']
  const room = ['--room-version', ROOM_VERSION]
  const places = ['--work-directory', work, '--port-range', ports]
  const perl = spawn('perl', ['run-tests.pl', ...driver, ...places, ...room, ...files], {
    cwd: sytest,
    // A group of its own, so that nothing which Sytest started outlives it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environmentOf(sytest, database),
  })
  const killGroup = () => killAll(perl)
  process.once('exit', killGroup)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  perl.stderr.pipe(createWriteStream(join(work, 'console.log')))
  createInterface({ input: perl.stdout }).on('line', onLine)
  const status = await new Promise<number>((resolve, reject) => {
    perl.once('error', reject)
    perl.once('close', (code) => resolve(code ?? 1))
  })
  killGroup()
  process.off('exit', killGroup)
  return status
}

function environmentOf(sytest: string, database: Database | undefined): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PERL5LIB: [join(sytest, 'lib'), PERL, process.env.PERL5LIB].filter(Boolean).join(delimiter),
    POSTGRES: database === undefined ? '0' : '1',
    ...(database === undefined ? {} : { PGHOST: database.host, PGPORT: database.port }),
    // The driver reads these without asking whether they are there.
    COVER: '0',
    DENDRITE_TRACE_SQL: '',
    DENDRITE_TRACE_HTTP: '',
    DENDRITE_TRACE_INTERNAL: '',
  }
}

function killAll(leader: ChildProcess): void {
  if (leader.pid === undefined) return
  try {
    process.kill(-leader.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}

/** A range for Sytest's `--port-range`: it takes the ports in a row, without asking whether they are free. */
async function freePorts(): Promise<string> {
  const count = SERVERS.length * PORTS_PER_SERVER
  for (let first = FIRST_PORT; first < LAST_PORT; first += count) {
    const row = Array.from({ length: count }, (_, index) => first + index)
    const free = await Promise.all(row.map(isFree))
    if (free.every(Boolean)) return `${first}:${first + count}`
  }
  throw new Error('No free ports for the servers.')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, 'localhost', () => server.close(() => resolve(true)))
  })
}
