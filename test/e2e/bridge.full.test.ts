import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { bridgeUnderKills, brokenBridge } from './bridge.ts'

const CYCLES = 20

eachEngine((engine, fresh) => {
  test('a bridge is told everything in order and once, while it and the server go and come', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : undefined
    const outcome = await bridgeUnderKills(join(dir, `bridge-${process.pid}-${engine}`), uri, CYCLES)
    expect(outcome.history.length).toBeGreaterThan(CYCLES * 12)
    expect(outcome.spoken).toHaveLength(CYCLES)
    expect(brokenBridge(outcome)).toEqual([])
  }, 600_000)
})
