import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { brokenPromises, killUnderLoad } from './kill.ts'

const CYCLES = 200
const ACKS = 30

eachEngine((engine, fresh) => {
  test(`${CYCLES} kills under load lose nothing that was acknowledged`, async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : undefined
    const outcome = await killUnderLoad(join(dir, `kill-${process.pid}-${engine}`), uri, CYCLES, ACKS)
    expect(outcome.acknowledged.length).toBeGreaterThanOrEqual(CYCLES * ACKS)
    expect(brokenPromises(outcome)).toEqual([])
  }, 900_000)
})
