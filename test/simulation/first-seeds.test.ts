import { expect, test } from 'vitest'
import { runSeedsApart } from './apart.ts'

/** Those of `more-seeds.test.ts` run beside these, and thousands in a night. */
const SEEDS = 150

test('after a storm all honest servers agree, and in the stories everything happens', {
  timeout: 600_000,
}, async () => {
  const { failures, tally } = await runSeedsApart([0, SEEDS])
  expect(failures).toEqual([])
  const done = ['send', 'topic', 'power', 'kick', 'ban', 'unban', 'invite', 'redact', 'leave', 'join', 'knock']
  expect([...done, 'message', 'crash', 'start'].filter((what) => (tally[what] ?? 0) < 3)).toEqual([])
})
