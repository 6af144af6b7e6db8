import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { bridgeUnderKills, brokenBridge } from './bridge.ts'

const CYCLES = 2

eachEngine((engine, fresh) => {
  test('a bridge is told everything in order and once, while it and the server go and come', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : undefined
    const outcome = await bridgeUnderKills(join(dir, `bridge-${process.pid}-${engine}`), uri, CYCLES)
    expect(outcome.history.length).toBeGreaterThan(CYCLES * 12)
    expect(outcome.spoken).toHaveLength(CYCLES)
    expect(brokenBridge(outcome)).toEqual([])
  }, 120_000)
})

test('the check sees what was left out, doubled or misplaced', () => {
  const history = ['$a', '$b', '$c']
  expect(brokenBridge({ history, told: history, spoken: ['$b'] })).toEqual([])
  expect(brokenBridge({ history, told: ['$a', '$c'], spoken: [] })).toContain('not told: $b')
  expect(brokenBridge({ history, told: [...history, '$a'], spoken: [] })).toContain('something was told twice')
  expect(brokenBridge({ history, told: ['$b', '$a', '$c'], spoken: [] })).toHaveLength(1)
  expect(brokenBridge({ history, told: history, spoken: ['$d'] })).toEqual(['lost: $d'])
})
