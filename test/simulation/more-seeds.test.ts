import { expect, test } from 'vitest'
import { runSeeds } from './seeds.ts'

/** Beside those of `first-seeds.test.ts`: together a hundred and twenty. */
const FIRST = 60
const SEEDS = 60

test('after a storm all honest servers agree', { timeout: 600_000 }, async () => {
  expect((await runSeeds(FIRST, SEEDS)).failures).toEqual([])
})
