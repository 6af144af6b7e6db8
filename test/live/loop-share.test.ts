import { expect, test } from 'vitest'
import { createLoopShare } from '../../src/live/loop-share.ts'

test('who comes when the share of a turn is used up works in a later one, in order', async () => {
  let nowMs = 0
  const share = createLoopShare({ now: () => 0, monotonic: () => nowMs })
  const worked: string[] = []
  const work = async (name: string) => {
    await share.turn()
    nowMs += 3
    worked.push(name)
  }
  const all: Promise<void>[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    all.push(work(name))
    // What came before has its work done: requests are read one after the other.
    await Promise.resolve()
    await Promise.resolve()
  }
  expect(worked).toEqual(['a', 'b'])
  const turns: string[][] = []
  while (worked.length < 5) {
    const before = worked.length
    await new Promise(setImmediate)
    turns.push(worked.slice(before))
  }
  await Promise.all(all)
  expect(worked).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(turns.filter((turn) => turn.length > 0)).toEqual([['c'], ['d'], ['e']])
})

test('whoever comes alone never waits', async () => {
  const share = createLoopShare({ now: () => 0, monotonic: () => 0 })
  for (let n = 0; n < 100; n++) {
    let worked = false
    void share.turn().then(() => {
      worked = true
    })
    await Promise.resolve()
    expect(worked).toBe(true)
  }
})
