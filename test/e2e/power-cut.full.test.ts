import { expect, test } from 'vitest'
import { temporaryDirectory } from '../helpers/cli.ts'
import { cutPower } from './power-cut.ts'

const CUTS = 2_000

test(`${CUTS} power cuts lose nothing that was acknowledged`, () => {
  const losses = cutPower(temporaryDirectory(), 'synced', CUTS)
  expect(losses).toMatchObject({ lossy: 0, corrupt: [] })
  expect(losses.acknowledged).toBeGreaterThan(500)
  expect(losses.checkpointed).toBeGreaterThan(100)
})

test('without the awaited sync the same cuts lose what was acknowledged', () => {
  const losses = cutPower(temporaryDirectory(), 'unsynced', CUTS / 10)
  expect(losses.lossy).toBeGreaterThan(CUTS / 20)
})
