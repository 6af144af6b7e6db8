import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { AS_INSTALLED, prepareServer, startServerProcess } from './server-process.ts'

const CORES = join(import.meta.dirname, 'preload', 'cores.cjs')
const IMAGES = 50
const WIDTH = 4_000
const HEIGHT = 3_000
const LOOK_MS = 20
const QUIET_MS = 3_000
const FORMATS = ['jpeg', 'jpeg', 'png', 'jpeg', 'webp'] as const

export interface ThumbnailLoad {
  readonly statuses: readonly number[]
  readonly seconds: number
  /** The server and its children together, at their highest, in MB (Linux). */
  readonly rssMb: number
  /** The server's part of that. */
  readonly serverMb: number
  /** Of other requests meanwhile. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** The same while nothing else is asked. */
  readonly quietP99Ms: number
}

/**
 * Starts the built server as it is installed, and asks for fifty thumbnails of twelve megapixels at once. `cores`: as
 * many as it believes to have.
 */
export async function thumbnailLoad(cores?: number): Promise<ThumbnailLoad> {
  const more = cores === undefined ? '' : ` --require ${CORES}`
  const env = { ...AS_INSTALLED, NODE_OPTIONS: `${AS_INSTALLED.NODE_OPTIONS}${more}`, CORES: String(cores) }
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-thumbnails-'))
  const server = await startServerProcess(prepareServer(dir, undefined), env)
  try {
    const url = `http://127.0.0.1:${server.port}`
    const body = JSON.stringify({ username: 'alice', password: 'correct horse', auth: { type: 'm.login.dummy' } })
    const registered = await fetch(`${url}/_matrix/client/v3/register`, { method: 'POST', body })
    const { access_token: token } = (await registered.json()) as { access_token: string }
    return await load(url, server.pid, { authorization: `Bearer ${token}` })
  } finally {
    await server.end('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
}

async function load(url: string, pid: number, headers: Record<string, string>): Promise<ThumbnailLoad> {
  const names = await uploadImages(url, headers)
  const quiet = await watchOthers(url, pid, headers, () => new Promise((resolve) => setTimeout(resolve, QUIET_MS)))
  const statuses: number[] = []
  const busy = await watchOthers(url, pid, headers, async () => {
    await Promise.all(
      names.map(async (name) => {
        const path = `/_matrix/client/v1/media/thumbnail/${name}?width=640&height=480&method=scale`
        const reply = await fetch(`${url}${path}`, { headers })
        await reply.arrayBuffer()
        statuses.push(reply.status)
      }),
    )
  })
  return { statuses, ...busy, quietP99Ms: quiet.p99Ms }
}

/** How long other requests take while there is work, and how much memory it takes. */
async function watchOthers(url: string, pid: number, headers: Record<string, string>, work: () => Promise<void>) {
  const times: number[] = []
  let peak = { all: 0, server: 0 }
  let done = false
  const begun = performance.now()
  const worked = work().finally(() => {
    done = true
  })
  while (!done) {
    const before = performance.now()
    await (await fetch(`${url}/_matrix/client/v3/account/whoami`, { headers })).arrayBuffer()
    times.push(performance.now() - before)
    const now = residentMb(pid)
    if (now.all > peak.all) peak = now
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  await worked
  const seconds = Math.round((performance.now() - begun) / 100) / 10
  times.sort((a, b) => a - b)
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0)
  return { seconds, rssMb: Math.round(peak.all), serverMb: Math.round(peak.server), p50Ms: at(0.5), p99Ms: at(0.99) }
}

async function uploadImages(url: string, headers: Record<string, string>): Promise<string[]> {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3)
  for (let at = 0; at < pixels.length; at++) pixels[at] = (at >> 6) ^ (at >> 14)
  const raw = { width: WIDTH, height: HEIGHT, channels: 3 } as const
  const bytes = new Map<string, Buffer>()
  for (const format of new Set(FORMATS)) bytes.set(format, await sharp(pixels, { raw })[format]().toBuffer())
  const names: string[] = []
  for (let n = 0; n < IMAGES; n++) {
    const format = FORMATS[n % FORMATS.length] ?? 'jpeg'
    // What follows the image makes it another content.
    const body = Buffer.concat([bytes.get(format) ?? Buffer.alloc(0), Buffer.from([n, n])])
    const type = { 'content-type': `image/${format}` }
    const reply = await fetch(`${url}/_matrix/media/v3/upload`, {
      method: 'POST',
      headers: { ...headers, ...type },
      body,
    })
    names.push(String(((await reply.json()) as { content_uri: string }).content_uri).slice('mxc://'.length))
  }
  return names
}

/** Of a process and its children. */
function residentMb(pid: number) {
  let pages = 0
  let server = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = / \d+$|\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]
      if (Number(name) !== pid && Number(parent) !== pid) continue
      const own = Number(readFileSync(`/proc/${name}/statm`, 'utf8').split(' ')[1])
      pages += own
      if (Number(name) === pid) server = own
    } catch {
      // It has ended meanwhile.
    }
  }
  return { all: (pages * 4_096) / 1_000_000, server: (server * 4_096) / 1_000_000 }
}
