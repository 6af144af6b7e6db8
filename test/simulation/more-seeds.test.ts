import { expect, test } from 'vitest'
import { runSeedsApart } from './apart.ts'

/** Beside those of `first-seeds.test.ts`. */
const SEEDS = 30

test('after a storm all honest servers agree', { timeout: 600_000 }, async () => {
  expect((await runSeedsApart([150, SEEDS], [225, SEEDS])).failures).toEqual([])
})
