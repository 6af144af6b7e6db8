import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import type { Guard } from '../db/database.ts'
import { epochIsStill, freeLease, type LeaseRow, leaseRow, renewLease, takeLease } from '../store/leases.ts'
import type { Follower } from './follower.ts'

/** What a follower shows when it writes what only the holder may write. */
export interface Lease {
  /** A batch with these falls once another process holds the lease. Asked for anew for each batch. */
  guards(): readonly Guard[]
}

export interface LeasedFollower extends Follower {
  /** Whether it runs in this process. */
  held(): boolean
}

/** A holder that has shown no sign of life for so long has lost the lease. */
const LEASE_MS = 6_000
/** Signs of life, and looks at those of others. */
const LOOK_MS = 2_000
/** The holder stops by itself before anybody may take over. */
const MARGIN_MS = 1_000

/**
 * Runs a follower in one process at a time of all those on the database, under a name. When the holder stops, or is
 * gone, another takes over within seconds. Nobody compares the clocks of two machines: who waits takes over when it has
 * seen no sign of life for as long as a lease lasts, by its own clock. The epoch, which every commit of the holder
 * checks, covers whoever was asleep meanwhile.
 */
export async function inOneProcess(
  app: App,
  name: string,
  start: (lease: Lease) => Promise<Follower>,
): Promise<LeasedFollower> {
  // SQLite has one server alone: the lock on its file sees to that.
  if (app.db.dialect === 'sqlite') {
    const follower = await start({ guards: () => [] })
    return { ...follower, held: () => true }
  }
  const state: State = { name, start, seen: undefined, holding: undefined, stopped: false, cancel: () => undefined }
  let looking = look(app, state)
  const again = () => {
    if (state.stopped) return
    state.cancel = app.timers.after(LOOK_MS, () => {
      looking = look(app, state).finally(again)
    })
  }
  await looking
  again()
  return {
    held: () => state.holding !== undefined,
    async idle() {
      await looking
      await state.holding?.follower.idle()
    },
    async stop() {
      state.stopped = true
      state.cancel()
      await looking
      await release(app, state)
    },
  }
}

interface Holding {
  readonly epoch: number
  readonly follower: Follower
  /** Monotonic milliseconds of the last sign of life. */
  renewedMs: number
  cancelExpiry: () => void
}

interface State {
  readonly name: string
  readonly start: (lease: Lease) => Promise<Follower>
  /** The lease of another, and since when it stands unchanged, in monotonic milliseconds. */
  seen: { readonly row: LeaseRow; readonly sinceMs: number } | undefined
  holding: Holding | undefined
  stopped: boolean
  cancel: () => void
}

async function look(app: App, state: State): Promise<void> {
  try {
    if (state.holding === undefined) await takeIfFree(app, state)
    else await renew(app, state, state.holding)
  } catch (error) {
    app.log.warn({ err: error, lease: state.name }, 'the lease cannot be looked at; trying again')
  }
}

async function takeIfFree(app: App, state: State): Promise<void> {
  const { name } = state
  const { row, guard } = await leaseRow(app.db, name)
  if (row !== undefined && row.holder !== null && !isDead(app, state, row)) return
  const [epoch, startedMs] = [(row?.epoch ?? 0) + 1, app.clock.monotonic()]
  const taking = takeLease(name, app.live.boot, epoch, app.clock.now() + LEASE_MS)
  if ((await write(app, { guards: [guard], writes: [taking], log: [] })) === undefined) return
  state.seen = undefined
  let uses = 0
  const guards = () => [epochIsStill(name, epoch, `lease:${name}:${epoch}:${uses++}`)]
  const life = showLife(app, name, epoch, startedMs)
  const follower = await state.start({ guards }).finally(life.end)
  state.holding = { epoch, follower, renewedMs: life.renewedMs(), cancelExpiry: () => undefined }
  expectRenewal(app, state, state.holding)
  app.log.info({ lease: name, epoch }, 'this process carries the log onwards')
}

/** Signs of life while the follower starts, which may take longer than a lease lasts. */
function showLife(app: App, name: string, epoch: number, startedMs: number) {
  let renewedMs = startedMs
  let cancel: () => void = () => undefined
  const renewLater = () => {
    cancel = app.timers.after(LOOK_MS, () => {
      renewLater()
      const nowMs = app.clock.monotonic()
      writeRenewal(app, name, epoch).then(
        (renewed) => {
          if (renewed) renewedMs = nowMs
        },
        (error: unknown) => app.log.warn({ err: error, lease: name }, 'no sign of life could be given'),
      )
    })
  }
  renewLater()
  return { renewedMs: () => renewedMs, end: () => cancel() }
}

async function writeRenewal(app: App, name: string, epoch: number): Promise<boolean> {
  const guards = [epochIsStill(name, epoch, `lease:${name}`)]
  const batch = { guards, writes: [renewLease(name, app.clock.now() + LEASE_MS)], log: [] }
  return (await write(app, batch)) !== undefined
}

/** A row that stands unchanged for as long as a lease lasts was left by a process that is gone. */
function isDead(app: App, state: State, row: LeaseRow): boolean {
  const { seen } = state
  const nowMs = app.clock.monotonic()
  const same = seen !== undefined && seen.row.epoch === row.epoch && seen.row.lease_until === row.lease_until
  if (same) return nowMs - seen.sinceMs >= LEASE_MS
  state.seen = { row, sinceMs: nowMs }
  return false
}

async function renew(app: App, state: State, holding: Holding): Promise<void> {
  const startedMs = app.clock.monotonic()
  const renewed = await writeRenewal(app, state.name, holding.epoch)
  if (state.holding !== holding) return
  if (!renewed) return lose(app, state, holding)
  holding.renewedMs = startedMs
  expectRenewal(app, state, holding)
}

/** Without a sign of life in time, also when the database does not answer, the follower stops. */
function expectRenewal(app: App, state: State, holding: Holding): void {
  holding.cancelExpiry()
  const leftMs = holding.renewedMs + LEASE_MS - MARGIN_MS - app.clock.monotonic()
  holding.cancelExpiry = app.timers.after(Math.max(leftMs, 0), () => void lose(app, state, holding))
}

async function lose(app: App, state: State, holding: Holding): Promise<void> {
  if (state.holding !== holding) return
  state.holding = undefined
  holding.cancelExpiry()
  app.log.warn({ lease: state.name }, 'the lease is lost: another process carries the log onwards')
  await holding.follower.stop().catch((error: unknown) => app.log.error({ err: error }, 'a follower did not stop'))
}

async function release(app: App, state: State): Promise<void> {
  const { holding } = state
  if (holding === undefined) return
  state.holding = undefined
  holding.cancelExpiry()
  await holding.follower.stop()
  const guards = [epochIsStill(state.name, holding.epoch, `lease:${state.name}`)]
  await write(app, { guards, writes: [freeLease(state.name)], log: [] }).catch((error: unknown) =>
    app.log.warn({ err: error, lease: state.name }, 'the lease was not given back; others wait until it ends'),
  )
}
