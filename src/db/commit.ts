import { type Batch, type CommitOutcome, DatabaseUnavailable, type Guard } from './database.ts'
import type { Row, SqlValue } from './sql.ts'

/** A batch's place in its group. */
export interface Member {
  readonly batch: Batch
  /**
   * The guards to ask: those about a thing that an earlier batch of its chain guards in this group are left out, and
   * those for which a unique key stands.
   */
  readonly guards: readonly Guard[]
  /** The index in the group of the batch that this one is based on. */
  readonly after: number | undefined
}

/** `error`: what no engine would take, in the engine's own words. */
export type Result = CommitOutcome | { readonly error: Error }

export interface Engine {
  /**
   * Resolves when the next group should be made. While an engine makes the last one durable, more batches gather: each
   * would only wait for the same disk, and larger groups cost less.
   */
  ready(): Promise<void>
  /** Writes the group in one transaction: one result per member. Rejects when nothing of the group was written. */
  apply(group: readonly Member[]): Promise<readonly Result[]>
  /** Resolves once everything applied so far is durable. */
  durable(): Promise<void>
}

export interface CommitQueue {
  commit(batch: Batch): Promise<CommitOutcome>
  /** Takes no more, and resolves once everything queued has its answer. */
  close(): Promise<void>
}

const MAX_GROUP = 256
/** On SQLite a group holds up the loop, and on both other processes wait for it: some tens of milliseconds. */
const MAX_GROUP_WRITES = 2000
const MAX_WAITING = 20_000

interface Entry {
  readonly batch: Batch
  readonly resolve: (outcome: CommitOutcome) => void
  readonly reject: (error: Error) => void
}

interface State {
  readonly engine: Engine
  readonly fates: WeakMap<Batch, 'waiting' | 'committed' | 'fallen'>
  waiting: Entry[]
  working: Promise<void> | undefined
  readonly settling: Set<Promise<void>>
  closed: boolean
}

/** Commits the batches that wait at the same time as one group, one group after the other. */
export function commitQueue(engine: Engine): CommitQueue {
  const state: State = {
    engine,
    fates: new WeakMap(),
    waiting: [],
    working: undefined,
    settling: new Set(),
    closed: false,
  }
  return {
    commit: (batch) => enqueue(state, batch),
    async close() {
      state.closed = true
      while (state.working !== undefined || state.settling.size > 0)
        await Promise.all([state.working, ...state.settling])
    },
  }
}

function enqueue(state: State, batch: Batch): Promise<CommitOutcome> {
  if (state.closed) return Promise.reject(new DatabaseUnavailable('The database is closing'))
  if (state.waiting.length >= MAX_WAITING) return Promise.reject(new DatabaseUnavailable('Too many commits wait'))
  if (state.fates.has(batch)) return Promise.reject(new Error('A batch is committed once'))
  if (batch.basedOn !== undefined && !state.fates.has(batch.basedOn)) {
    return Promise.reject(new Error('A batch is based on one that was never queued'))
  }
  state.fates.set(batch, 'waiting')
  return new Promise((resolve, reject) => {
    state.waiting.push({ batch, resolve, reject })
    state.working ??= work(state)
  })
}

/** Waits for the end of this turn of the loop, so that the requests read in it share a group. */
async function work(state: State): Promise<void> {
  do {
    await new Promise(setImmediate)
    await state.engine.ready()
    const { members, entries, rest } = chooseGroup(dropFallen(state), state.fates)
    state.waiting = rest
    if (members.length > 0) await commitGroup(state, members, entries)
  } while (state.waiting.length > 0)
  state.working = undefined
}

async function commitGroup(state: State, members: readonly Member[], entries: readonly Entry[]): Promise<void> {
  try {
    const results = await state.engine.apply(members)
    for (const [index, entry] of entries.entries()) {
      const result = results[index]!
      decide(state, entry.batch, 'committed' in result && result.committed ? 'committed' : 'fallen')
    }
    const settled = state.engine.durable().then(
      () => settle(entries, results),
      (error: Error) => rejectAll(entries, error),
    )
    state.settling.add(settled)
    void settled.then(() => state.settling.delete(settled))
  } catch (error) {
    for (const { batch } of entries) decide(state, batch, 'fallen')
    rejectAll(entries, error as Error)
  }
}

/**
 * Cuts the batch from its base, which no longer matters: a busy room would otherwise keep a chain of all it ever
 * wrote.
 */
function decide(state: State, batch: Batch, fate: 'committed' | 'fallen'): void {
  state.fates.set(batch, fate)
  Reflect.deleteProperty(batch, 'basedOn')
}

function settle(entries: readonly Entry[], results: readonly Result[]): void {
  for (const [index, entry] of entries.entries()) {
    const result = results[index]!
    if ('error' in result) entry.reject(result.error)
    else entry.resolve(result)
  }
}

function rejectAll(entries: readonly Entry[], error: Error): void {
  for (const entry of entries) entry.reject(error)
}

/** What is based on a batch that fell in an earlier group falls before it is tried. */
function dropFallen(state: State): Entry[] {
  return state.waiting.filter(({ batch, resolve }) => {
    if (batch.basedOn === undefined || state.fates.get(batch.basedOn) !== 'fallen') return true
    decide(state, batch, 'fallen')
    resolve({ committed: false, failed: 'basedOn' })
    return false
  })
}

interface Choice {
  readonly members: Member[]
  readonly entries: Entry[]
  readonly rest: Entry[]
}

/**
 * Takes the batches in their order. One that is about a thing of another batch waits for a later group unless it is
 * built on that batch; whatever comes after a waiting one and is about the same things waits behind it.
 */
function chooseGroup(waiting: readonly Entry[], fates: State['fates']): Choice {
  const choice: Choice = { members: [], entries: [], rest: [] }
  const places = new Map<Batch, number>()
  const holders = new Map<string, Batch | 'put off'>()
  let writes = 0
  for (const entry of waiting) {
    const { batch } = entry
    const after = batch.basedOn && places.get(batch.basedOn)
    const baseWaits = batch.basedOn !== undefined && after === undefined && fates.get(batch.basedOn) === 'waiting'
    const earlier = chainInGroup(batch, places)
    const free = batch.guards.every(({ about }) => {
      const holder = holders.get(about)
      return holder === undefined || (holder !== 'put off' && earlier.has(holder))
    })
    const small = writes === 0 || writes + batch.writes.length <= MAX_GROUP_WRITES
    const fits = free && !baseWaits && small && choice.members.length < MAX_GROUP
    for (const { about } of batch.guards) holders.set(about, fits ? batch : 'put off')
    if (!fits) {
      choice.rest.push(entry)
      continue
    }
    writes += batch.writes.length
    places.set(batch, choice.members.length)
    choice.entries.push(entry)
    choice.members.push({ batch, guards: guardsToAsk(batch, earlier), after })
  }
  return choice
}

function chainInGroup(batch: Batch, places: ReadonlyMap<Batch, number>): Set<Batch> {
  const chain = new Set<Batch>()
  for (let base = batch.basedOn; base !== undefined && places.has(base); base = base.basedOn) chain.add(base)
  return chain
}

function guardsToAsk(batch: Batch, earlier: ReadonlySet<Batch>): readonly Guard[] {
  const guards = batch.guards.some(({ keyed }) => keyed) ? batch.guards.filter(({ keyed }) => !keyed) : batch.guards
  if (earlier.size === 0) return guards
  const guarded = new Set<string>()
  for (const base of earlier) for (const { about } of base.guards) guarded.add(about)
  return guards.filter(({ about }) => !guarded.has(about))
}

/** The outcome of a member whose base fell in this group, or undefined. */
export function fellWithBase(member: Member, results: readonly (Result | undefined)[]): CommitOutcome | undefined {
  const base = member.after === undefined ? undefined : results[member.after]
  if (base === undefined || ('committed' in base && base.committed)) return undefined
  return { committed: false, failed: 'failed' in base ? base.failed : 'basedOn' }
}

/** Whether the answer of a guard is still the one that the action saw: the same rows in the same order. */
export function guardHolds(guard: Guard, rows: readonly Row[]): boolean {
  return rows.length === guard.expect.length && guard.expect.every((expected, index) => sameRow(expected, rows[index]!))
}

function sameRow(a: Row, b: Row): boolean {
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key]!, b[key]!))
  )
}

function sameValue(a: SqlValue, b: SqlValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return a === b
}
