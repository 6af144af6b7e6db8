import { afterEach, expect, test } from 'vitest'
import { write } from '../../src/actions/write.ts'
import type { App } from '../../src/app.ts'
import type { Database } from '../../src/db/database.ts'
import { inOneProcess, type Lease, type LeasedFollower } from '../../src/followers/lease.ts'
import { leaseRow } from '../../src/store/leases.ts'
import { freshPostgres, freshSqlite } from '../helpers/databases.ts'
import { manualTime } from '../helpers/manual-time.ts'
import { startTestServer } from '../helpers/server.ts'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** One process of several: a follower of its own, and time that passes when the test says so. */
async function processOn(
  app: App,
  boot: string,
  starting: (pass: (ms: number) => void) => Promise<void> = async () => {},
) {
  const time = manualTime()
  const one: App = { ...app, clock: time.clock, timers: time.timers, live: { ...app.live, boot } }
  const seen = { starts: 0, stops: 0, lease: undefined as Lease | undefined }
  const start = async (lease: Lease) => {
    seen.starts++
    seen.lease = lease
    await starting(time.pass)
    return { idle: async () => undefined, stop: async () => void seen.stops++ }
  }
  const follower: LeasedFollower = await inOneProcess(one, 'a follower', start)
  const pass = async (ms: number) => {
    time.pass(ms)
    await follower.idle()
  }
  const mayWrite = async () => (await write(app, { guards: seen.lease!.guards(), writes: [], log: [] })) !== undefined
  return { follower, seen, pass, mayWrite, time }
}

async function onPostgres(): Promise<App> {
  const { options } = await freshPostgres(undo)
  const server = await startTestServer({}, options.connectionString)
  undo.push(() => server.stop())
  return server.app
}

test('one of two processes runs it; when it stops, the other takes over at its next look', async () => {
  const app = await onPostgres()
  const first = await processOn(app, 'first')
  const second = await processOn(app, 'second')
  expect([first.follower.held(), second.follower.held()]).toEqual([true, false])
  for (let round = 0; round < 6; round++) {
    await first.pass(2_000)
    await second.pass(2_000)
  }
  expect([first.follower.held(), second.follower.held()]).toEqual([true, false])
  await first.follower.stop()
  expect(first.seen.stops).toBe(1)
  await second.pass(2_000)
  expect([second.follower.held(), second.seen.starts]).toEqual([true, 1])
  await second.follower.stop()
}, 60_000)

test('one that takes longer to start than a lease lasts keeps it meanwhile, and after', async () => {
  const app = await onPostgres()
  const until = async () => (await leaseRow(app.db, 'a follower')).row?.lease_until
  const signs: unknown[] = []
  const first = await processOn(app, 'first', async (pass) => {
    for (let round = 0; round < 5; round++) {
      const before = await until()
      pass(2_000)
      while ((await until()) === before) await new Promise(setImmediate)
      signs.push(await until())
    }
  })
  expect(new Set(signs).size).toBe(5)
  await first.pass(0)
  expect([first.follower.held(), first.seen.stops]).toEqual([true, 0])
  await first.follower.stop()
}, 60_000)

test('one that shows no sign of life is replaced, and what it writes later falls', async () => {
  const app = await onPostgres()
  const first = await processOn(app, 'first')
  const second = await processOn(app, 'second')
  expect(await first.mayWrite()).toBe(true)
  // The first one sleeps: its clock stands still.
  await second.pass(2_000)
  await second.pass(2_000)
  expect(second.follower.held()).toBe(false)
  await second.pass(2_000)
  expect(second.follower.held()).toBe(true)
  expect([await first.mayWrite(), await second.mayWrite()]).toEqual([false, true])
  // It wakes up, and finds that it was replaced.
  await first.pass(2_000)
  expect([first.follower.held(), first.seen.stops]).toEqual([false, 1])
  await second.follower.stop()
  await first.follower.stop()
}, 60_000)

test('who cannot reach the database stops before anybody takes over', async () => {
  const app = await onPostgres()
  let away = false
  const commit: Database['commit'] = (batch) => (away ? Promise.reject(new Error('away')) : app.db.commit(batch))
  const first = await processOn({ ...app, db: Object.create(app.db, { commit: { value: commit } }) }, 'first')
  away = true
  await first.pass(2_000)
  expect(first.follower.held()).toBe(true)
  await first.pass(2_000)
  await first.pass(1_000)
  expect([first.follower.held(), first.seen.stops]).toEqual([false, 1])
  await first.follower.stop()
}, 60_000)

test('on SQLite it runs at once, without a lease', async () => {
  const { dir } = await freshSqlite(undo)
  const server = await startTestServer({}, `file:${dir}/lease.db`)
  undo.push(() => server.stop())
  const only = await processOn(server.app, 'only')
  expect([only.follower.held(), only.seen.lease!.guards()]).toEqual([true, []])
  await only.follower.stop()
})
