import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freshSqlite } from '../helpers/databases.ts'
import { bridgeUnderKills, brokenBridge } from './bridge.ts'

const CYCLES = 2

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

test('a bridge is told everything in order and once, while it and the server go and come', async () => {
  const { dir } = await freshSqlite(undo)
  const outcome = await bridgeUnderKills(join(dir, 'bridge'), undefined, CYCLES)
  expect(outcome.history.length).toBeGreaterThan(CYCLES * 12)
  expect(outcome.spoken).toHaveLength(CYCLES)
  expect(brokenBridge(outcome)).toEqual([])
}, 120_000)

test('the check sees what was left out, doubled or misplaced', () => {
  const history = ['$a', '$b', '$c']
  expect(brokenBridge({ history, told: history, spoken: ['$b'] })).toEqual([])
  expect(brokenBridge({ history, told: ['$a', '$c'], spoken: [] })).toContain('not told: $b')
  expect(brokenBridge({ history, told: [...history, '$a'], spoken: [] })).toContain('something was told twice')
  expect(brokenBridge({ history, told: ['$b', '$a', '$c'], spoken: [] })).toHaveLength(1)
  expect(brokenBridge({ history, told: history, spoken: ['$d'] })).toEqual(['lost: $d'])
})
