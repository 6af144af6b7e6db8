import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'

const PRELOAD = join(import.meta.dirname, '../helpers/preload/kill-at-file-step.cjs')
const PIECE = 100_000
const PIECES = 3
/** More steps than an upload takes. */
const STEPS_MAX = 40
const FILE_SIZE_MAX = 6_000_000

let [dir, config] = ['', '']
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dendrite-uploads-'))
  config = prepareServer(dir, undefined)
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function register({ port }: ServerProcess): Promise<string> {
  const body = JSON.stringify({ username: 'alice', password: 'correct horse', auth: { type: 'm.login.dummy' } })
  const reply = await fetch(`http://127.0.0.1:${port}/_matrix/client/v3/register`, { method: 'POST', body })
  return ((await reply.json()) as { access_token: string }).access_token
}

/** Resolves with the reply; undefined: the server went away. */
async function upload({ port }: ServerProcess, token: string, pieces: AsyncIterable<Uint8Array>) {
  const request = { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: pieces, duplex: 'half' }
  const reply = await fetch(`http://127.0.0.1:${port}/_matrix/media/v3/upload`, request as RequestInit).catch(
    () => undefined,
  )
  const body = (await reply?.json().catch(() => undefined)) as { content_uri?: string } | undefined
  if (body === undefined) return undefined
  return { status: reply?.status, name: body.content_uri?.slice('mxc://'.length), reply }
}

async function* piecesOf(seed: number, count = PIECES) {
  for (let n = 0; n < count; n++) yield Buffer.alloc(PIECE, `${seed} ${n} `)
}

async function filesIn(): Promise<string[]> {
  const root = join(dir, 'media_store')
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(root.length))
}

/** What stands in the database without a file, or lies on the disk without a row; empty: all is well. */
async function strays(): Promise<string[]> {
  const db = new Sqlite(join(dir, 'dendrite.db'), { readonly: true })
  const rows = db.prepare('SELECT hash FROM media').pluck().all() as string[]
  db.close()
  const wanted = new Set(rows.map((hash) => `/${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash.slice(4)}`))
  const files = new Set(await filesIn())
  return [
    ...[...files].filter((file) => !wanted.has(file)).map((file) => `no row: ${file}`),
    ...[...wanted].filter((file) => !files.has(file)).map((file) => `no file: ${file}`),
  ]
}

test('a server that is killed at any step of an upload has row and file once it is back, or neither', async () => {
  let server = await startServerProcess(config)
  const token = await register(server)
  await server.end('SIGTERM')
  let sweptAway = 0
  let answered: string | undefined
  for (let killAt = 1; answered === undefined; killAt++) {
    expect(killAt).toBeLessThan(STEPS_MAX)
    // The start of the server that is killed next clears away what the last one has left.
    server = await startServerProcess(config, { NODE_OPTIONS: `--require ${PRELOAD}`, KILL_AT: String(killAt) })
    expect([killAt, await strays()]).toEqual([killAt, []])
    answered = (await upload(server, token, piecesOf(killAt)))?.name
    if (answered === undefined) await server.exited
    else await server.end('SIGTERM')
    if ((await strays()).length > 0) sweptAway++
  }
  // Some are killed after the database knows.
  expect((await filesIn()).length).toBeGreaterThan(1)
  // Who does not clear away at the start would be seen.
  expect(sweptAway).toBeGreaterThan(3)
  console.log(`${sweptAway} kills left something for the next start`)
})

test('a disk that takes no more bytes of a file is answered with 503, and the server goes on', async () => {
  const server = await startServerProcess(config)
  try {
    const token = await register(server)
    execFileSync('prlimit', ['--pid', String(server.pid), `--fsize=${FILE_SIZE_MAX}`])
    const refused = await upload(server, token, piecesOf(1, 2 * (FILE_SIZE_MAX / PIECE)))
    expect([refused?.status, Number(refused?.reply?.headers.get('retry-after'))]).toEqual([503, 60])
    expect(await strays()).toEqual([])
    expect((await upload(server, token, piecesOf(2)))?.status).toBe(200)
    expect((await filesIn()).length).toBe(1)
  } finally {
    await server.end('SIGTERM')
  }
})
