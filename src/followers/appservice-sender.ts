import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import type { Sql } from '../db/sql.ts'
import { type SignOfLife, signIn } from '../live/appservice-signs.ts'
import type { Appservice } from '../live/appservices.ts'
import { Unreachable } from '../remote/outbound.ts'
import {
  appserviceCursor,
  beginTransaction,
  endTransaction,
  forgetAllBut,
  postponeTransaction,
  type TransactionRow,
  transactionUnderWay,
} from '../store/appservice-transactions.ts'
import { cursorOf, moveCursor } from '../store/cursors.ts'
import { nextStretch, type Reader, readerFor } from '../views/appservice/transaction.ts'
import type { Follower } from './follower.ts'
import type { Lease } from './lease.ts'
import { allIdle, type Pace, paced } from './pace.ts'

/** Bridges may do their work before they answer. */
const TIMEOUT_MS = 60_000
const ANSWER_BYTES_MAX = 65_536
/** An application service that does not take a transaction is left alone for so long. */
const PAUSES = { firstMs: 1_000, growth: 2, maxMs: 60_000 }
/** So long one that is being told something may still answer when the server stops. */
const GRACE_MS = 3_000
/** What concerned nobody is read again after a crash, no more than so many rows of it. */
const UNKEPT_MAX = 1_000

/** How far an application service was told. */
interface Place {
  position: number
  /** What the database knows of the position. */
  kept: number
  underWay: TransactionRow | undefined
}

interface Listener extends Place {
  readonly appservice: Appservice
  reader: Reader
  /** Something went wrong on our side: only the database knows how far it was told. */
  lost: boolean
  /** It answered the last transaction, although it did not take it. */
  answered: boolean
  /** Since the last pause that came to its end, it was tried because it sent us something. */
  revived: boolean
  readonly pace: Pace
}

interface State {
  readonly lease: Lease
  stopped: boolean
  readonly hangUp: AbortController
}

/**
 * Tells application services what concerns them (Application Service API, "Pushing events"). Each is a cursor on the
 * log with a pace of its own. A transaction is durable before it is sent, and tried under the same name and in the same
 * words until it is taken: nothing is lost or told twice, whichever side dies.
 */
export async function startAppserviceSender(app: App, lease: Lease): Promise<Follower> {
  const state: State = { lease, stopped: false, hangUp: new AbortController() }
  const told = app.appservices.all.filter(({ url }) => url !== undefined)
  const forgotten = await forgetAllBut(
    app.db,
    told.map(({ id }) => id),
  )
  if (forgotten.length > 0) await keep(app, state, forgotten)
  const listeners: Listener[] = []
  for (const appservice of told) listeners.push(await listenerFor(app, state, appservice))
  const startAll = () => {
    for (const { pace } of listeners) pace.start()
  }
  const reviveAll = (id: string, sign: SignOfLife) => {
    for (const listener of listeners) if (listener.appservice.id === id) revive(listener, sign)
  }
  const stopListening = [
    app.db.onGrown(startAll),
    app.live.typing.onChange(startAll),
    app.live.appserviceSigns.onSign(reviveAll),
    app.db.onTold((text) => {
      const sign = signIn(text)
      if (sign !== undefined) reviveAll(sign.appserviceId, sign.sign)
    }),
  ]
  startAll()
  const idle = () => allIdle(() => listeners.map(({ pace }) => pace))
  return {
    idle,
    async stop() {
      for (const stop of stopListening) stop()
      state.stopped = true
      for (const { pace } of listeners) pace.stop()
      const cancelHangUp = app.timers.after(GRACE_MS, () => state.hangUp.abort())
      await idle()
      cancelHangUp()
    },
  }
}

async function listenerFor(app: App, state: State, appservice: Appservice): Promise<Listener> {
  const place = await placeOf(app, state, appservice)
  const pace = paced(app, {
    step: () => tellSome(app, state, listener),
    failed(error) {
      app.log.error({ err: error, appservice: appservice.id }, 'an application service is not told now')
      listener.lost = true
    },
    pauses: PAUSES,
    failures: place.underWay?.failures ?? 0,
    retryAt: place.underWay?.retry_at ?? 0,
  })
  const fresh = { lost: false, answered: false, revived: false }
  const listener: Listener = { ...place, ...fresh, appservice, reader: readerFor(app, appservice), pace }
  return listener
}

/** A new one hears of what happens from now on. */
async function placeOf(app: App, state: State, { id }: Appservice): Promise<Place> {
  const known = await cursorOf(app.db, appserviceCursor(id))
  const position = known ?? app.db.safePosition()
  if (known === undefined) await keep(app, state, [moveCursor(appserviceCursor(id), position)])
  const underWay = await transactionUnderWay(app.db, id)
  return { position, kept: position, underWay }
}

/**
 * Ends the pause of one that is alive. What it sends us says nothing new where it has answered us, and where we cannot
 * reach it, one try more in each pause is enough.
 */
function revive(listener: Listener, sign: SignOfLife): void {
  const { pace, answered, revived } = listener
  if (pace.failures === 0 || pace.running !== undefined) return
  if (sign === 'heard' && (answered || revived)) return
  listener.revived = sign === 'heard'
  pace.endPause()
  pace.start()
}

/** Tells one transaction. Resolves with whether there may be more to tell now. */
async function tellSome(app: App, state: State, listener: Listener): Promise<boolean> {
  const { appservice, pace } = listener
  if (listener.lost) {
    Object.assign(listener, await placeOf(app, state, appservice), { reader: readerFor(app, appservice), lost: false })
  }
  const transaction = listener.underWay ?? (await nextTransaction(app, state, listener, []))
  if (transaction === undefined) return listener.position < app.db.safePosition()
  listener.underWay = transaction
  if (!(await taken(app, state, listener, transaction))) return false
  listener.underWay = undefined
  pace.recover()
  listener.position = transaction.position
  listener.kept = transaction.position
  const ended = endTransaction(appservice.id, transaction)
  listener.underWay = await nextTransaction(app, state, listener, ended)
  return listener.underWay !== undefined || listener.position < app.db.safePosition()
}

/**
 * Reads the log on, and resolves with the next transaction once it is durable, together with the end of the last one;
 * undefined: nothing more concerns the application service.
 */
async function nextTransaction(
  app: App,
  state: State,
  listener: Listener,
  ended: readonly Sql[],
): Promise<TransactionRow | undefined> {
  const { appservice, reader } = listener
  const { body, messages, position, missed } = await nextStretch(app, reader, listener.position)
  if (missed > 0)
    app.log.warn(
      { appservice: appservice.id, rows: missed },
      'an application service was away for longer than the log is kept: it is told the newest event of each room',
    )
  if (body === undefined) {
    listener.position = position
    if (ended.length === 0 && position - listener.kept < UNKEPT_MAX) return undefined
    await keep(app, state, [...ended, moveCursor(appserviceCursor(appservice.id), position)])
    listener.kept = position
    return undefined
  }
  // Digits, as some read nothing else; with the time, as they may remember more than a new database of ours does.
  const txnId = `${app.clock.now()}${await app.db.nextId('appservice_transaction')}`
  const row = { txn_id: txnId, body, messages: JSON.stringify(messages), position, failures: 0, retry_at: null }
  await keep(app, state, [...ended, beginTransaction(appservice.id, row)])
  return row
}

async function keep(app: App, state: State, writes: readonly Sql[]): Promise<void> {
  const written = await write(app, { guards: state.lease.guards(), writes, log: [] })
  // Another process tells from now on.
  if (written === undefined) throw new Error('the lease is lost')
}

/** Resolves with whether the application service has taken the transaction. */
async function taken(app: App, state: State, listener: Listener, { txn_id, body }: TransactionRow): Promise<boolean> {
  const { appservice, pace } = listener
  listener.answered = false
  if (pace.retryAt > 0) listener.revived = false
  try {
    const { status } = await app.remote.appservices.ask(appservice, {
      method: 'PUT',
      path: `/_matrix/app/v1/transactions/${txn_id}`,
      body,
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_BYTES_MAX,
      signal: state.hangUp.signal,
    })
    listener.answered = true
    if (status >= 200 && status < 300) return true
    throw new Unreachable(`it answers ${status}`)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    if (state.stopped) return false
    if (pace.failures === 0)
      app.log.warn({ appservice: appservice.id, reason: error.message }, 'an application service takes no transactions')
    pace.pause()
    const { failures, retryAt } = pace
    const postponed = { failures, retryAt, nowMs: app.clock.now(), reason: error.message }
    await keep(app, state, [postponeTransaction(appservice.id, postponed)])
    return false
  }
}
