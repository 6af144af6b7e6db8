import type pg from 'pg'
import { fellWithBase, guardHolds, type Member, type Result } from './commit.ts'
import { DatabaseUnavailable, type LogRow } from './database.ts'
import { type RenderedWrite, together } from './postgres-rows.ts'
import { inOneWrite, namedQuery } from './postgres-values.ts'
import { render } from './render.ts'
import type { Row, Sql } from './sql.ts'

export interface Committed {
  readonly results: readonly Result[]
  /** The position of the last log row. */
  readonly head: number
  /** How many statements were sent. */
  readonly queries: number
}

/**
 * The group in one transaction of two round trips: the lock of the log with its position and all guards, then all
 * writes with the COMMIT. The lock comes first, so that there are no deadlocks and the order of positions is the order
 * of commits, across processes; a guard sees what was committed while the lock was waited for. Rejects with the first
 * error of the server; the transaction may still be open then.
 */
export async function commitTransaction(client: pg.Client, group: readonly Member[]): Promise<Committed> {
  const [, locked, guarded] = await inOneWrite(client, () =>
    Promise.all([
      client.query('BEGIN ISOLATION LEVEL READ COMMITTED'),
      client.query<{ position: number }>({
        name: 'lock_log',
        text: 'SELECT position FROM log_head WHERE one = 1 FOR UPDATE',
      }),
      askGuards(client, group),
    ]),
  )
  const start = locked.rows[0]!.position
  const plan = planWrites(group, guarded.results, start)
  const queries = 2 + guarded.queries
  if (!plan.results.some((result) => 'committed' in result && result.committed)) {
    await client.query('ROLLBACK')
    return { results: plan.results, head: start, queries }
  }
  const sent = inOneWrite(client, () => [
    ...together(plan.writes).map((write) => client.query(namedQuery(write))),
    ...sendLog(client, plan.log, start),
    client.query('COMMIT'),
  ])
  const commit = (await Promise.all(sent)).at(-1)
  // A COMMIT of a failed transaction is answered too, and rolls back.
  if (commit?.command !== 'COMMIT') throw new DatabaseUnavailable('The transaction was rolled back')
  return { results: plan.results, head: start + plan.log.length, queries: queries + sent.length }
}

interface Guarded {
  /** What is settled already: a guard that did not hold, or a query that cannot be sent. */
  readonly results: readonly (Result | undefined)[]
  readonly queries: number
}

async function askGuards(client: pg.Client, group: readonly Member[]): Promise<Guarded> {
  const rendered = group.map((member) => attempt(() => member.guards.map(({ query }) => render(query, 'postgres'))))
  let queries = 0
  const answers = await Promise.all(
    rendered.map((guards) => {
      if (guards instanceof Error) return guards
      queries += guards.length
      return Promise.all(guards.map((guard) => client.query<Row>(namedQuery(guard))))
    }),
  )
  const results = group.map((member, index): Result | undefined => {
    const answer = answers[index]!
    if (answer instanceof Error) return { error: answer }
    const broken = member.guards.find((guard, place) => !guardHolds(guard, answer[place]!.rows))
    return broken && { committed: false, failed: broken.about }
  })
  return { results, queries }
}

interface Plan {
  readonly results: Result[]
  /** Those of each batch that holds. */
  readonly writes: RenderedWrite[][]
  readonly log: LogRow[]
}

/**
 * Gives positions to those that hold and makes all their values ready: nothing can fail here any more once it is sent.
 */
function planWrites(group: readonly Member[], settled: Guarded['results'], start: number): Plan {
  const plan: Plan = { results: [], writes: [], log: [] }
  for (const [index, member] of group.entries()) {
    const { log, writes } = member.batch
    const positions = log.map((_row, place) => start + plan.log.length + 1 + place)
    const known = fellWithBase(member, plan.results) ?? settled[index]
    const rendered = known === undefined ? attempt(() => writes.map((write) => renderedWrite(write, positions))) : []
    if (known !== undefined) plan.results.push(known)
    else if (rendered instanceof Error) plan.results.push({ error: rendered })
    else {
      plan.results.push({ committed: true, positions })
      plan.writes.push(rendered)
      plan.log.push(...log)
    }
  }
  return plan
}

function renderedWrite(write: Sql, positions: readonly number[]): RenderedWrite {
  return { ...render(write, 'postgres', positions), rows: write.rows }
}

/** The log rows of the whole group in one statement, the new head, and the notice for other processes. */
function sendLog(client: pg.Client, log: readonly LogRow[], start: number): Promise<pg.QueryResult>[] {
  if (log.length === 0) return []
  const head = start + log.length
  return [
    client.query({
      name: 'insert_log',
      text: `INSERT INTO log (position, kind, room, user_id, device_id, subject)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])`,
      values: [
        log.map((_row, index) => start + 1 + index),
        log.map(({ kind }) => kind),
        log.map(({ room }) => room ?? null),
        log.map(({ user }) => user ?? null),
        log.map(({ device }) => device ?? null),
        log.map(({ subject }) => subject ?? null),
      ],
    }),
    client.query({
      name: 'move_head',
      text: 'UPDATE log_head SET position = $1::bigint WHERE one = 1',
      values: [head],
    }),
    client.query({ name: 'notify_log', text: `SELECT pg_notify('dendrite_log', $1::text)`, values: [String(head)] }),
  ]
}

function attempt<T>(work: () => T): T | Error {
  try {
    return work()
  } catch (error) {
    return error as Error
  }
}
