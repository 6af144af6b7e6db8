import type pg from 'pg'
import { inOneWrite, namedQuery } from './postgres-values.ts'
import type { Rendered } from './render.ts'
import type { Row } from './sql.ts'

/** Reads that travel together: a slow one holds up those behind it. */
const TOGETHER_MAX = 8

interface Read {
  readonly query: Rendered
  readonly resolve: (rows: Row[]) => void
  readonly reject: (error: unknown) => void
}

interface State {
  readonly pool: pg.Pool
  waiting: Read[]
  /** Connections in use. */
  active: number
}

/**
 * Reads by way of the pool, whose clients have to be in pipeline mode. Those of one turn of the loop share a
 * connection, and so do those that wait for one: sending a query, and waking the server for it, costs more than most
 * queries.
 */
export function pooledReads(pool: pg.Pool): (query: Rendered) => Promise<Row[]> {
  const state: State = { pool, waiting: [], active: 0 }
  return (query) =>
    new Promise((resolve, reject) => {
      state.waiting.push({ query, resolve, reject })
      if (state.waiting.length === 1) void new Promise(setImmediate).then(() => sendWaiting(state))
    })
}

function sendWaiting(state: State): void {
  while (state.waiting.length > 0 && state.active < state.pool.options.max) {
    state.active++
    void sendTogether(state.pool, state.waiting.splice(0, TOGETHER_MAX)).finally(() => {
      state.active--
      sendWaiting(state)
    })
  }
}

async function sendTogether(pool: pg.Pool, reads: readonly Read[]): Promise<void> {
  try {
    const client = await pool.connect()
    // A connection that breaks rejects what it was asked.
    const broke = () => undefined
    client.on('error', broke)
    const answers = inOneWrite(client, () => reads.map(({ query }) => client.query<Row>(namedQuery(query))))
    for (const [index, { resolve, reject }] of reads.entries())
      answers[index]!.then(({ rows }) => resolve(rows), reject)
    const failed = (await Promise.allSettled(answers)).find((answer) => answer.status === 'rejected')
    client.off('error', broke)
    client.release(failed !== undefined)
  } catch (error) {
    for (const { reject } of reads) reject(error)
  }
}
