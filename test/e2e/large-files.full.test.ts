import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { downloadLarge, residentGrowth, uploadLarge } from '../helpers/large-files.ts'
import { AS_INSTALLED } from '../helpers/server-process.ts'
import { makeAuthority, prepareTlsServer, type RunningTlsServer, startTlsServer } from '../helpers/tls-servers.ts'

const GIB = 2 ** 30
const GROWTH_MAX_MIB = 30
/** Of a file that comes over TLS, is written, and goes out. */
const FETCH_GROWTH_MAX_MIB = 50
const servers: RunningTlsServer[] = []
const tokens: string[] = []
let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dendrite-large-'))
  const authority = await makeAuthority(dir)
  for (const name of ['a', 'b']) {
    const prepared = await prepareTlsServer(join(dir, name), authority)
    const config = parse(await readFile(prepared.config, 'utf8'))
    config.media_api = { ...config.media_api, max_file_size_bytes: GIB }
    config.federation_api = { ...config.federation_api, deny_networks: [] }
    await writeFile(prepared.config, stringify(config))
    const server = await startTlsServer(prepared, authority, AS_INSTALLED)
    servers.push(server)
    const body = { username: 'alice', password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
    tokens.push((await server.client.call('POST', '/_matrix/client/v3/register', { body })).body.access_token)
  }
})
afterAll(async () => {
  for (const server of servers) await server.stop('SIGKILL')
  await rm(dir, { recursive: true, force: true })
})

test('a file of a GiB goes in, out, and to another server in at most 30 MiB of memory', {
  timeout: 300_000,
}, async () => {
  const [a, b] = servers.map(({ process }) => process)
  const [alice = '', bob = ''] = tokens
  // What a first file loads and allocates once is not what a large one costs.
  const small = await uploadLarge(a!.port, alice, 100_000_000)
  await downloadLarge(b!.port, bob, small.name)
  let file = { name: '', hash: '' }
  const upload = await residentGrowth(a!.pid, async () => {
    file = await uploadLarge(a!.port, alice, GIB)
  })
  const download = await residentGrowth(a!.pid, async () => {
    expect(await downloadLarge(a!.port, alice, file.name)).toEqual({ status: 200, bytes: GIB, hash: file.hash })
  })
  const fetched = await residentGrowth(b!.pid, async () => {
    expect(await downloadLarge(b!.port, bob, file.name)).toEqual({ status: 200, bytes: GIB, hash: file.hash })
  })
  expect((await readdir(join(dir, 'a', 'media_store', 'arriving'))).length).toBe(0)
  console.log(`upload ${upload} MiB, download ${download} MiB, of another server ${fetched} MiB`)
  for (const growth of [upload, download]) expect(growth).toBeLessThanOrEqual(GROWTH_MAX_MIB)
  expect(fetched).toBeLessThanOrEqual(FETCH_GROWTH_MAX_MIB)
})
