import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import Sqlite from 'better-sqlite3'
import { transform } from 'esbuild'
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type CliResult, runCli, temporaryDirectory } from '../helpers/cli.ts'
import { prepareServer } from '../helpers/server-process.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const RECURSIVE = { recursive: true }
const SERVE = ['serve', '--http-bind-address', '127.0.0.1:0', '--really-enable-open-registration']

// Each test starts the program a few times.
vi.setConfig({ testTimeout: 60_000 })

let dir: string
let config: string

/** Made once: the configuration and the key, in a directory of which every test gets a copy. */
const template = mkdtempSync(join(tmpdir(), 'dendrite-refusals-'))

beforeAll(() => {
  prepareServer(template, undefined)
  return () => rmSync(template, RECURSIVE)
})

beforeEach(() => {
  dir = temporaryDirectory()
  config = join(dir, 'dendrite.yaml')
  cpSync(template, dir, RECURSIVE)
  writeFileSync(config, readFileSync(config, 'utf8').replaceAll(template, dir))
})

const serve = (...args: string[]) => runCli([...SERVE, '--config', config, ...args], { cwd: dir })

/** The last line says what is wrong and what to do; before it stands at most what was done until then. */
function expectRefusal({ code, stdout, stderr }: CliResult, exit: number, what: RegExp, toDo: RegExp): void {
  const last = stderr.trim().split('\n').at(-1)
  expect([code, stdout, last]).toEqual([exit, '', expect.stringMatching(what)])
  expect(last).toMatch(toDo)
  expect(stderr).not.toMatch(/^\s+at /m)
}

test('a port that is taken', async () => {
  const other = createServer()
  onTestFinished(() => void other.close())
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : 0
  const args = ['serve', '--config', config, '--really-enable-open-registration']
  const result = await runCli([...args, '--http-bind-address', `127.0.0.1:${port}`], { cwd: dir })
  expectRefusal(result, 69, new RegExp(`EADDRINUSE.*${port}`), /choose another port/)
})

test('a signing key that everybody may read', async () => {
  chmodSync(join(dir, 'matrix_key.pem'), 0o644)
  expectRefusal(await serve(), 77, /Every user of this machine/, /chmod 600/)
  expect(existsSync(join(dir, 'dendrite.db'))).toBe(false)
})

test('a signing key that is missing, broken, or a directory', async () => {
  const key = join(dir, 'matrix_key.pem')
  writeFileSync(key, 'not a key')
  expectRefusal(await serve(), 78, /matrix_key\.pem.*MATRIX PRIVATE KEY/, /backup/)
  writeFileSync(config, readFileSync(config, 'utf8').replace(/matrix_key\.pem/, 'nothing.pem'))
  expectRefusal(await serve(), 78, /nothing\.pem.* missing/, /generate-keys/)
  mkdirSync(join(dir, 'nothing.pem'), { mode: 0o700 })
  expectRefusal(await serve(), 78, /EISDIR/, /name a file/)
})

test('a signing key that this user may not read', async () => {
  chmodSync(join(dir, 'matrix_key.pem'), 0o000)
  expectRefusal(await unprivileged(SERVE.concat('--config', config)), 77, /EACCES.*matrix_key/, /owner and the mode/)
})

test('a directory that cannot be written to', async () => {
  chmodSync(dir, 0o500)
  onTestFinished(() => chmodSync(dir, 0o700))
  expectRefusal(await unprivileged(SERVE.concat('--config', config)), 77, /unable to open|EACCES/, /check/)
  const fresh = join(dir, 'new')
  expectRefusal(await unprivileged(['serve', '--dir', fresh]), 77, /EACCES.*new/, /owner and the mode/)
})

test('a database of another server name: untouched', async () => {
  expect((await runCli(['migrate', '--config', config])).code).toBe(0)
  expect((await runCli(['create-account', '--config', config, '-u', 'a', '--password', 'long enough'])).code).toBe(0)
  writeFileSync(config, readFileSync(config, 'utf8').replace(/server_name: .*/, 'server_name: other.example'))
  const before = contents(dir)
  expectRefusal(await serve(), 78, /belongs to .* says other\.example/, /must stay/)
  expectRefusal(await runCli(['migrate', '--config', config]), 78, /belongs to/, /must stay/)
  expect(contents(dir)).toEqual(before)
})

test('the database of the Dendrite written in Go: untouched', async () => {
  const go = new Sqlite(join(dir, 'dendrite.db'))
  go.exec('CREATE TABLE roomserver_rooms (room_nid INTEGER PRIMARY KEY); CREATE TABLE db_migrations (version TEXT)')
  go.close()
  const before = contents(dir)
  expectRefusal(await serve(), 78, /written in Go/, /empty database/)
  expectRefusal(
    await runCli(['create-account', '--config', config, '-u', 'a', '--password', 'long enough']),
    78,
    /./,
    /./,
  )
  expect(contents(dir)).toEqual(before)
})

test('a second server on one SQLite file', async () => {
  const first = spawn(process.execPath, [join(ROOT, 'bin/run.js'), ...SERVE, '--config', config], { stdio: 'pipe' })
  const ended = new Promise((done) => first.once('close', done))
  onTestFinished(() => void first.kill('SIGKILL'))
  await listening(first.stderr)
  const start = performance.now()
  expectRefusal(await serve(), 75, /Another process serves/, /stop it/)
  expect(performance.now() - start).toBeLessThan(5_000)
  expectRefusal(await runCli(['migrate', '--config', config]), 75, /Another process serves/, /stop it/)
  first.kill('SIGKILL')
  await ended
  const again = spawn(process.execPath, [join(ROOT, 'bin/run.js'), ...SERVE, '--config', config], { stdio: 'pipe' })
  onTestFinished(() => void again.kill('SIGKILL'))
  await listening(again.stderr)
})

test('a Node that is too old, even to read the program', async () => {
  const old = join(dir, 'old.cjs')
  writeFileSync(old, `Object.defineProperty(process.versions, 'node', { value: '12.22.12' })`)
  const args = ['--require', old, join(ROOT, 'bin/run.js'), 'serve']
  expectRefusal(await run(process.execPath, args), 1, /^Dendrite needs Node 20\.19/, /or later/)
  // Nothing in the file has to be rewritten for a Node of 2019.
  const source = readFileSync(join(ROOT, 'bin/run.js'), 'utf8')
  const [plain, oldest] = await Promise.all(
    ['esnext', 'node12.0'].map((target) => transform(source, { target, format: 'cjs', supported: DYNAMIC_IMPORT })),
  )
  expect(oldest?.code).toBe(plain?.code)
})

const DYNAMIC_IMPORT = { 'dynamic-import': true }

test('a native module that is missing or made for another Node', async () => {
  const copy = join(dir, 'program')
  const native = join(copy, 'node_modules/better-sqlite3')
  const modules = join(ROOT, 'node_modules')
  mkdirSync(native, { recursive: true })
  for (const name of ['bin', 'dist', 'package.json', 'templates']) cpSync(join(ROOT, name), join(copy, name), RECURSIVE)
  for (const name of readdirSync(modules).filter((one) => one !== 'better-sqlite3')) {
    symlinkSync(join(modules, name), join(copy, 'node_modules', name))
  }
  for (const name of ['lib', 'package.json'])
    cpSync(join(modules, 'better-sqlite3', name), join(native, name), RECURSIVE)
  const args = [join(copy, 'bin/run.js'), ...SERVE, '--config', config]
  expectRefusal(await run(process.execPath, args), 1, /native part of better-sqlite3/, /npm rebuild/)
  const built = join(native, 'build/Release/better_sqlite3.node')
  mkdirSync(dirname(built), { recursive: true })
  writeFileSync(built, 'of another machine')
  expectRefusal(await run(process.execPath, args), 1, /better_sqlite3\.node/, /npm rebuild/)
})

/** What stands in the files of a directory. Reading a SQLite file leaves an index and an empty log beside it. */
function contents(path: string): Record<string, string> {
  const names = readdirSync(path).filter((name) => !name.endsWith('-shm') && statSync(join(path, name)).size > 0)
  return Object.fromEntries(
    names.sort().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(path, name)))
        .digest('hex'),
    ]),
  )
}

/** Runs the program without the power of root over files, should the tests run as root. */
function unprivileged(args: readonly string[]): Promise<CliResult> {
  const program = [process.execPath, join(ROOT, 'bin/run.js'), ...args]
  if (process.getuid?.() !== 0) return run(program[0]!, program.slice(1))
  return run('setpriv', ['--bounding-set=-dac_override,-dac_read_search', '--', ...program])
}

function run(command: string, args: readonly string[]): Promise<CliResult> {
  const child = spawn(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  return new Promise((done, failed) => {
    child.once('error', failed)
    child.once('close', (code) => done({ code, stdout, stderr }))
  })
}

function listening(stream: NodeJS.ReadableStream): Promise<void> {
  let log = ''
  return new Promise((done, failed) => {
    stream.on('data', (chunk) => {
      log += chunk
      if (log.includes('listening on')) done()
    })
    stream.once('close', () => failed(new Error(log)))
  })
}
