import { expect, test } from 'vitest'
import { runSeedsApart } from './apart.ts'

/** Beside those of `first-seeds.test.ts`. */
const FIRST = 150
const SEEDS = 150

test('after a storm all honest servers agree', { timeout: 600_000 }, async () => {
  expect((await runSeedsApart([FIRST, SEEDS])).failures).toEqual([])
})
