import { resyncDeviceList } from '../actions/keys/resync-device-list.ts'
import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import { type ServerName, serverNameOf } from '../core/ids.ts'
import { Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import {
  dueStaleLists,
  forgetRemoteList,
  nextStaleList,
  postponeList,
  postponeLists,
  sharingWithServer,
} from '../store/remote-device-lists.ts'
import type { Follower } from './follower.ts'

/** Lists looked at together. */
const LISTS_MAX = 1_000
const TIMEOUT_MS = 30_000
/** A server that does not answer is asked again after a time that doubles up to this. */
const PAUSE_FIRST_MS = 10_000
const PAUSE_MAX_MS = 6 * 3_600_000
/** After a refusal: of a user who is gone there, for instance. */
const REFUSED_PAUSE_MS = 3_600_000
/** Servers whose failures are remembered. */
const SERVERS_MAX = 10_000

interface State {
  readonly atWork: Map<ServerName, Promise<void>>
  readonly failures: Map<ServerName, number>
  readonly stopping: AbortController
  looking: Promise<void> | undefined
  lookAgain: boolean
  cancelTimer: () => void
}

/**
 * Reads device lists of other servers afresh of which a change was missed. Each server is asked for one after the
 * other of its lists, and one that is away does not hold up the others.
 */
export async function startStaleDeviceLists(app: App): Promise<Follower> {
  const state: State = {
    atWork: new Map(),
    failures: new Map(),
    stopping: new AbortController(),
    looking: undefined,
    lookAgain: false,
    cancelTimer: () => undefined,
  }
  const stopListening = app.live.staleListAlarm.onRing(() => look(app, state))
  look(app, state)
  const idle = async () => {
    while (state.looking !== undefined || state.atWork.size > 0)
      await Promise.all([state.looking, ...state.atWork.values()])
  }
  return {
    idle,
    async stop() {
      stopListening()
      state.stopping.abort()
      await idle()
      state.cancelTimer()
    },
  }
}

/** Starts what is due, and sets the timer for what is next. */
function look(app: App, state: State): void {
  state.lookAgain = true
  state.looking ??= lookAround(app, state)
}

async function lookAround(app: App, state: State): Promise<void> {
  while (state.lookAgain && !state.stopping.signal.aborted) {
    state.lookAgain = false
    try {
      await startDue(app, state)
    } catch (error) {
      app.log.warn({ err: error }, 'stale device lists could not be looked up')
      wait(app, state, app.clock.now() + PAUSE_FIRST_MS)
    }
  }
  // Here, not when the promise is settled: who looks in between would be forgotten.
  state.looking = undefined
}

async function startDue(app: App, state: State): Promise<void> {
  const due = await dueStaleLists(app.db, app.clock.now(), LISTS_MAX)
  const byServer = new Map<ServerName, string[]>()
  for (const { user_id: userId } of due) {
    const server = serverNameOf(userId)
    byServer.set(server, [...(byServer.get(server) ?? []), userId])
  }
  for (const [server, userIds] of byServer) {
    if (state.atWork.has(server)) continue
    const work = readAll(app, state, server, userIds)
      .catch(async (error: unknown) => {
        app.log.warn({ server, err: error }, 'device lists stay stale for now')
        await postpone(app, state, server)
      })
      .catch(() => undefined)
      .finally(() => {
        state.atWork.delete(server)
        look(app, state)
      })
    state.atWork.set(server, work)
  }
  const next = due.length === 0 ? await nextStaleList(app.db) : undefined
  if (next !== undefined) wait(app, state, next)
}

function wait(app: App, state: State, until: number): void {
  state.cancelTimer()
  if (state.stopping.signal.aborted) return
  state.cancelTimer = app.timers.after(Math.max(until - app.clock.now(), 0), () => look(app, state))
}

async function readAll(app: App, state: State, server: ServerName, userIds: readonly string[]): Promise<void> {
  const wanted = await sharingWithServer(app.db, app.serverName, userIds)
  for (const userId of userIds) {
    if (state.stopping.signal.aborted) return
    if (!wanted.has(userId)) {
      await write(app, { guards: [], writes: forgetRemoteList(userId), log: [] })
      continue
    }
    try {
      await resyncDeviceList(app, userId, { timeoutMs: TIMEOUT_MS, signal: state.stopping.signal })
      state.failures.delete(server)
    } catch (error) {
      if (state.stopping.signal.aborted) return
      if (error instanceof Refused && error.status < 500) {
        const until = app.clock.now() + REFUSED_PAUSE_MS
        await write(app, { guards: [], writes: [postponeList(userId, until)], log: [] })
        continue
      }
      if (!(error instanceof Unreachable || error instanceof Refused)) throw error
      return postpone(app, state, server)
    }
  }
}

async function postpone(app: App, state: State, server: ServerName): Promise<void> {
  const failures = (state.failures.get(server) ?? 0) + 1
  if (state.failures.size >= SERVERS_MAX) state.failures.clear()
  state.failures.set(server, failures)
  const until = app.clock.now() + Math.min(PAUSE_FIRST_MS * 2 ** Math.min(failures - 1, 20), PAUSE_MAX_MS)
  await write(app, { guards: [], writes: [postponeLists(server, until)], log: [] })
}
