import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { createLogTail } from '../../src/live/log-tail.ts'

/** A log of 5,000 rows, of which some positions are empty; counts the queries. */
function logOf() {
  const log = Array.from({ length: 5_000 }, (_none, index) => ({ position: index + 1, kind: 'event' })).filter(
    ({ position }) => position % 7 !== 0,
  )
  let queries = 0
  const between = (since: number, to: number, limit: number) =>
    log.filter(({ position }) => position > since && position <= to).slice(0, limit)
  const db = {
    async read({ holes }: { holes: [number, number, number] }) {
      queries += 1
      await Promise.resolve()
      return between(...holes)
    },
  }
  return { db: db as unknown as Database, between, queries: () => queries }
}

test('rows from memory are those of the log, whoever reads what', async () => {
  const reads = fc.array(fc.tuple(fc.nat(4_999), fc.nat(600), fc.constantFrom(1, 50, 1_000)), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(reads, async (asked) => {
      const { db, between } = logOf()
      const tail = createLogTail(db)
      const answers = await Promise.all(
        asked.map(async ([since, length, limit], index) => {
          for (let turn = 0; turn < index % 4; turn++) await Promise.resolve()
          return tail.rows(since, since + length, limit)
        }),
      )
      expect(answers).toEqual(asked.map(([since, length, limit]) => between(since, since + length, limit)))
    }),
    { numRuns: 50 },
  )
})

test('followers that read on at their own paces cost one query for each stretch', async () => {
  const { db, between, queries } = logOf()
  const tail = createLogTail(db)
  for (let to = 10; to <= 4_000; to += 10) {
    const both = await Promise.all([tail.rows(to - 10, to, 1_000), tail.rows(to - 10, to, 1_000)])
    expect(both).toEqual([between(to - 10, to, 1_000), between(to - 10, to, 1_000)])
    if (to % 500 === 0) expect(await tail.rows(to - 500, to, 1_000)).toEqual(between(to - 500, to, 1_000))
  }
  expect(queries()).toBe(400)
})

test('a read that failed is made again by whoever waited for it', async () => {
  const { db, between } = logOf()
  let fails = true
  const broken = {
    ...db,
    async read(query: never) {
      if (!fails) return db.read(query)
      fails = false
      throw new Error('gone')
    },
  }
  const tail = createLogTail(broken as unknown as Database)
  const [first, second] = await Promise.allSettled([tail.rows(0, 9, 50), tail.rows(0, 9, 50)])
  expect(first.status).toBe('rejected')
  expect(second).toEqual({ status: 'fulfilled', value: between(0, 9, 50) })
})
