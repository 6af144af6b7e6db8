import { expect, test } from 'vitest'
import { feed } from './random-bytes.ts'

const COUNT = 100_000

test('a hundred thousand byte strings of chance are refused as a Matrix error, or read', { timeout: 300_000 }, () => {
  const tally = feed(COUNT, 1_000)
  expect(tally.refused + tally.json).toBe(COUNT)
  expect(tally.events).toBeGreaterThan(COUNT / 20)
})
