import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import { parseJson } from '../core/json.ts'
import { SEARCHABLE_TYPES, searchableText } from '../core/searchable.ts'
import { wordsOf } from '../core/words.ts'
import type { Sql } from '../db/sql.ts'
import { withPauses } from '../live/with-pauses.ts'
import { cursorOf, dropCursor, moveCursor } from '../store/cursors.ts'
import { note, noted } from '../store/meta.ts'
import {
  type IndexableRow,
  type IndexEntry,
  indexableBetween,
  indexableById,
  indexEvents,
  lastEvent,
  SEARCH_CURSOR,
} from '../store/search-index.ts'
import type { Follower } from './follower.ts'
import type { Lease } from './lease.ts'

/** The number of the event below which history is not indexed yet; 0: all of it is. */
const HISTORY = 'search_history'
/** Rows of the log, and events, looked at for one batch. */
const LOG_ROWS = 200
const EVENTS = 200
/** After so much work without a pause others have their turn. */
const SLICE_MS = 8
/** What was said shall be found soon, and one batch for many messages spares the disk. */
const DELAY_MS = 500
/** Rows of the log without anything to index, after which the cursor is kept all the same. */
const KEEP_ROWS = 10_000
/** Progress of the history is told every so many events. */
const TELL_EVENTS = 100_000

interface State {
  readonly lease: Lease
  /** The log was read up to here, and the database knows it of this one. */
  position: number
  kept: number
  history: number
  stopped: boolean
}

/**
 * Enters what is said into the index of `/search`: new events by the log, and what was there before in the background,
 * the newest first. Where search is switched off the places are forgotten, so that switching it on begins anew.
 */
export async function startSearchIndex(app: App, lease: Lease): Promise<Follower> {
  if (!app.config.sync_api.search.enabled) {
    await write(app, { guards: lease.guards(), writes: [dropCursor(SEARCH_CURSOR)], log: [] })
    return { idle: async () => undefined, stop: async () => undefined }
  }
  const state = await begin(app, lease)
  let working: Promise<void> | undefined
  let cancel: (() => void) | undefined
  const work = () => {
    cancel?.()
    cancel = undefined
    working ??= catchUp(app, state)
      .catch((error: unknown) => app.log.error({ err: error }, 'the index of messages stands still'))
      .finally(() => {
        working = undefined
        if (!state.stopped && state.position < app.db.safePosition()) later()
      })
    return working
  }
  const later = () => {
    if (working === undefined) cancel ??= app.timers.after(DELAY_MS, work)
  }
  const stops = [app.db.onGrown(later), app.live.searchIndex.onAsked(() => void work())]
  void work()
  return {
    async idle() {
      await working
      for (let before = -1; !state.stopped && state.position > before && state.position < app.db.safePosition(); ) {
        before = state.position
        await work()
      }
    },
    async stop() {
      state.stopped = true
      for (const stop of stops) stop()
      cancel?.()
      await working
      await keep(app, state, state.position, [])
    },
  }
}

async function begin(app: App, lease: Lease): Promise<State> {
  const position = await cursorOf(app.db, SEARCH_CURSOR)
  if (position !== undefined) {
    const history = Number((await noted(app.db, HISTORY)) ?? 0)
    return { lease, position, kept: position, history, stopped: false }
  }
  const start = app.db.safePosition()
  const history = (await lastEvent(app.db)) + 1
  const writes = [moveCursor(SEARCH_CURSOR, start), note(HISTORY, String(history))]
  await write(app, { guards: lease.guards(), writes, log: [] })
  return { lease, position: start, kept: start, history, stopped: false }
}

async function catchUp(app: App, state: State): Promise<void> {
  for (;;) {
    while (!state.stopped && state.position < app.db.safePosition()) await readLog(app, state)
    app.live.searchIndex.reached(state.position)
    if (state.stopped || state.history === 0) return
    await readHistory(app, state)
  }
}

async function readLog(app: App, state: State): Promise<void> {
  const to = app.db.safePosition()
  const rows = await app.live.logTail.rows(state.position, to, LOG_ROWS)
  const eventIds = rows.flatMap((row) => (row.kind === 'event' || row.kind === 'history' ? (row.subject ?? []) : []))
  const events = eventIds.length === 0 ? [] : await indexableById(app.db, eventIds, SEARCHABLE_TYPES)
  const writes = await entriesOf(app, events)
  const position = rows.length === LOG_ROWS ? rows.at(-1)!.position : to
  if (writes.length > 0 || position - state.kept >= KEEP_ROWS) await keep(app, state, position, writes)
  state.position = position
}

async function readHistory(app: App, state: State): Promise<void> {
  const from = Math.max(0, state.history - EVENTS)
  const writes = await entriesOf(app, await indexableBetween(app.db, from, state.history, SEARCHABLE_TYPES))
  if (Math.floor(from / TELL_EVENTS) !== Math.floor(state.history / TELL_EVENTS))
    app.log.info({ eventsToGo: from }, from === 0 ? 'all history is indexed' : 'history is being indexed')
  await keep(app, state, state.position, [...writes, note(HISTORY, String(from))])
  state.history = from
}

/** The entries of the events, with a pause for others after each slice of work. */
async function entriesOf(app: App, events: readonly IndexableRow[]): Promise<Sql[]> {
  const entries: IndexEntry[] = []
  for await (const { event, room, type, content } of withPauses(app, events, SLICE_MS)) {
    const words = wordsOf(searchableText(type, parseJson(content)))
    if (words.length > 0) entries.push({ event, room, words: [...new Set(words)] })
  }
  return entries.length === 0 ? [] : indexEvents(entries)
}

/** Writes the entries and how far they reach. A batch that falls was that of a process which lost the lease. */
async function keep(app: App, state: State, position: number, writes: readonly Sql[]): Promise<void> {
  if (writes.length === 0 && state.kept === position) return
  const batch = { guards: state.lease.guards(), writes: [...writes, moveCursor(SEARCH_CURSOR, position)], log: [] }
  if ((await write(app, batch)) === undefined) state.stopped = true
  state.kept = position
}
