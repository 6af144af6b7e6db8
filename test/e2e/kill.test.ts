import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { brokenPromises, killUnderLoad } from './kill.ts'

const CYCLES = 8
const ACKS = 60

eachEngine((engine, fresh) => {
  test(`${CYCLES} kills under load lose nothing that was acknowledged`, async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : undefined
    const place = join(dir, `kill-${process.pid}-${engine}`)
    const outcome = await killUnderLoad(place, uri, CYCLES, ACKS)
    expect(outcome.acknowledged.length).toBeGreaterThanOrEqual(CYCLES * ACKS)
    expect(brokenPromises(outcome)).toEqual([])
  }, 120_000)
})

test('the check sees a lost, a doubled and a misplaced event', () => {
  const ids = ['$a', '$b', '$c']
  expect(brokenPromises({ acknowledged: ids, history: ids, synced: ids })).toEqual([])
  expect(brokenPromises({ acknowledged: ids, history: ['$a', '$c'], synced: ['$a', '$c'] })).toEqual(['lost: $b'])
  expect(brokenPromises({ acknowledged: ids, history: [...ids, '$a'], synced: [] })).toHaveLength(1)
  expect(brokenPromises({ acknowledged: ['$a', '$a'], history: ['$a'], synced: [] })).toHaveLength(1)
  expect(brokenPromises({ acknowledged: ids, history: ids, synced: ['$a', '$c'] })).toHaveLength(1)
})
