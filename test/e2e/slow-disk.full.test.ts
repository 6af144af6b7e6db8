import { expect, test } from 'vitest'
import { benchClient, type Client } from '../bench/client.ts'
import { temporaryDirectory } from '../helpers/cli.ts'
import { compileDisk } from '../helpers/disk.ts'
import { prepareServer, startServerProcess } from '../helpers/server-process.ts'

const V3 = '/_matrix/client/v3'
const SYNC_MS = 20
const SENDERS = 16
const WARM_UP_MS = 2_000
const MEASURE_MS = 8_000
const SENDS_PER_S = 300
const WHOAMI_P99_MS = 10
const PROBE_EVERY_MS = 5

test('a disk that needs 20 ms for a sync holds up nobody who does not write', async () => {
  const library = compileDisk(temporaryDirectory())
  const fast = await measure({ LD_PRELOAD: library })
  const slow = await measure({ LD_PRELOAD: library, DISK_SYNC_MS: String(SYNC_MS) })
  console.log(`fast disk: ${describe(fast)}\nslow disk: ${describe(slow)}`)
  // Were the disk not slow, nothing would be shown.
  expect(slow.aloneMs).toBeGreaterThanOrEqual(SYNC_MS)
  // A machine that is busy otherwise is held to what it does with the fast disk.
  expect(slow.perSecond).toBeGreaterThanOrEqual(Math.min(SENDS_PER_S, fast.perSecond * 0.75))
  expect(slow.p99).toBeLessThan(Math.max(WHOAMI_P99_MS, fast.p99 * 1.5))
})

interface Figures {
  readonly perSecond: number
  /** Of `whoami` under the load, in milliseconds. */
  readonly p50: number
  readonly p99: number
  /** One send with no load. */
  readonly aloneMs: number
}

function describe({ perSecond, p50, p99, aloneMs }: Figures): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`
  return `${Math.round(perSecond)} sends/s, whoami p50 ${ms(p50)} p99 ${ms(p99)}, one send alone ${ms(aloneMs)}`
}

async function measure(env: Readonly<Record<string, string>>): Promise<Figures> {
  const server = await startServerProcess(prepareServer(temporaryDirectory(), undefined), env)
  const [senders, probe] = [benchClient(server.port, SENDERS), benchClient(server.port, 1)]
  try {
    return await load(senders, probe)
  } finally {
    senders.close()
    probe.close()
    await server.end('SIGKILL')
  }
}

async function load(senders: Client, probe: Client): Promise<Figures> {
  const { token, roomId } = await settle(probe)
  const send = async (client: Client, txnId: string) => {
    const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
    const { status } = await client.call('PUT', path, { token, body: { msgtype: 'm.text', body: 'hello' } })
    expect(status).toBe(200)
  }
  const begun = performance.now()
  const measured = () => performance.now() - begun > WARM_UP_MS
  const ended = () => performance.now() - begun > WARM_UP_MS + MEASURE_MS
  let sent = 0
  const sender = async (name: number) => {
    for (let n = 0; !ended(); n++) {
      await send(senders, `${name}-${n}`)
      if (measured()) sent += 1
    }
  }
  const times: number[] = []
  const prober = async () => {
    while (!ended()) {
      const took = await timed(() => probe.call('GET', `${V3}/account/whoami`, { token }))
      if (measured()) times.push(took)
      await new Promise((done) => setTimeout(done, PROBE_EVERY_MS))
    }
  }
  await Promise.all([prober(), ...Array.from({ length: SENDERS }, (_none, name) => sender(name))])
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)]!
  const aloneMs = await timed(() => send(probe, 'alone'))
  return { perSecond: sent / (MEASURE_MS / 1_000), p50: at(0.5), p99: at(0.99), aloneMs }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function settle(client: Client): Promise<{ token: string; roomId: string }> {
  const body = { username: 'alice', password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
  const token: string = (await client.call('POST', `${V3}/register`, { body })).body.access_token
  const roomId: string = (await client.call('POST', `${V3}/createRoom`, { token, body: {} })).body.room_id
  return { token, roomId }
}
