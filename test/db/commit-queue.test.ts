import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commitQueue, type Engine, fellWithBase, type Member, type Result } from '../../src/db/commit.ts'
import { type Batch, DatabaseUnavailable } from '../../src/db/database.ts'
import { sql } from '../../src/db/sql.ts'

/** What a batch is about, on which earlier one it is based, how the engine takes it, and who waits before the next. */
const step = fc.record({
  about: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }),
  base: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
  fate: fc.constantFrom('holds', 'holds', 'holds', 'guard', 'poison'),
  pause: fc.boolean(),
})

test('a group holds one chain at most about each thing, in order, and every batch gets its answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const batches: Batch[] = []
      const bases = new Map<Batch, Batch | undefined>()
      const fates = new Map<Batch, string>()
      const applied: Batch[][] = []
      const queue = commitQueue(fakeEngine(fates, applied, bases))
      const answers: Promise<string>[] = []
      for (const { about, base, fate, pause } of steps) {
        const basedOn = base === undefined ? undefined : batches.at(-1 - base)
        const guards = about.map((thing) => ({ about: thing, query: sql`SELECT 1 AS one`, expect: [] }))
        const batch: Batch = { guards, writes: [], log: [], basedOn }
        bases.set(batch, basedOn)
        fates.set(batch, fate)
        batches.push(batch)
        answers.push(
          queue.commit(batch).then(
            ({ committed }) => (committed ? 'committed' : 'fallen'),
            () => 'refused',
          ),
        )
        if (pause) await new Promise(setImmediate)
      }
      const outcomes = await Promise.all(answers)
      await queue.close()
      for (const [index, batch] of batches.entries()) {
        const base = bases.get(batch)
        const baseStands = base === undefined || outcomes[batches.indexOf(base)] === 'committed'
        const own = { holds: 'committed', guard: 'fallen', poison: 'refused' }[steps[index]!.fate]
        expect(outcomes[index]).toBe(baseStands ? own : 'fallen')
      }
      const tried = applied.flat()
      expect(new Set(tried).size).toBe(tried.length)
      // No batch is kept by those that were built on it.
      expect(batches.every((batch) => batch.basedOn === undefined)).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test('a group that could not be written refuses all of it, and what is based on it falls', async () => {
  let down = true
  const queue = commitQueue({
    async apply(group) {
      if (down) throw new DatabaseUnavailable('gone')
      return group.map(() => ({ committed: true as const, positions: [] }))
    },
    ready: () => Promise.resolve(),
    durable: () => Promise.resolve(),
  })
  const first: Batch = { guards: [], writes: [], log: [] }
  await expect(queue.commit(first)).rejects.toThrow('gone')
  down = false
  expect(await queue.commit({ guards: [], writes: [], log: [], basedOn: first })).toEqual({
    committed: false,
    failed: 'basedOn',
  })
  expect(await queue.commit({ guards: [], writes: [], log: [] })).toEqual({ committed: true, positions: [] })
})

test('mistakes of the caller are refused', async () => {
  const queue = commitQueue({
    apply: async () => [{ committed: true, positions: [] }],
    ready: () => Promise.resolve(),
    durable: () => Promise.resolve(),
  })
  const batch: Batch = { guards: [], writes: [], log: [] }
  await queue.commit(batch)
  await expect(queue.commit(batch)).rejects.toThrow('once')
  const stranger: Batch = { guards: [], writes: [], log: [] }
  await expect(queue.commit({ ...batch, basedOn: stranger })).rejects.toThrow('never queued')
})

/** Checks each group as it comes, and answers as the fates say. */
function fakeEngine(fates: Map<Batch, string>, applied: Batch[][], bases: Map<Batch, Batch | undefined>): Engine {
  return {
    async apply(group) {
      applied.push(group.map(({ batch }) => batch))
      for (const [index, member] of group.entries()) checkMember(group, member, index, bases)
      const results: Result[] = []
      for (const member of group) results.push(fellWithBase(member, results) ?? answer(fates.get(member.batch)!))
      return results
    },
    ready: () => Promise.resolve(),
    durable: () => Promise.resolve(),
  }
}

function answer(fate: string): Result {
  if (fate === 'poison') return { error: new Error('no engine would take it') }
  return fate === 'holds' ? { committed: true, positions: [] } : { committed: false, failed: 'guard' }
}

function checkMember(
  group: readonly Member[],
  member: Member,
  index: number,
  bases: Map<Batch, Batch | undefined>,
): void {
  const base = bases.get(member.batch)
  const place = group.findIndex(({ batch }) => batch === base)
  expect(member.after).toBe(place === -1 ? undefined : place)
  if (member.after !== undefined) expect(member.after).toBeLessThan(index)
  const chain = new Set<Batch>()
  for (let one = base; one !== undefined; one = bases.get(one)) chain.add(one)
  for (const { about } of member.batch.guards) {
    const earlier = group.slice(0, index).filter(({ batch }) => batch.guards.some((guard) => guard.about === about))
    expect(earlier.every(({ batch }) => chain.has(batch))).toBe(true)
    expect(member.guards.some((guard) => guard.about === about)).toBe(earlier.length === 0)
  }
}
