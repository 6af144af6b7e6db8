import { expect, test } from 'vitest'
import { runSeeds } from './seeds.ts'

/** Beside those of `first-seeds.test.ts`. */
const FIRST = 150
const SEEDS = 50

test('after a storm all honest servers agree', { timeout: 600_000 }, async () => {
  expect((await runSeeds(FIRST, SEEDS)).failures).toEqual([])
})
