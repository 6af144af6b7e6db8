import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { startProgress } from '../../src/cli/progress.ts'

test('without a terminal a line comes every ten seconds, and none for what is done sooner', async () => {
  let now = 0
  const said: string[] = []
  const clock = { now: () => 0, monotonic: () => now }
  const progress = await startProgress({ label: 'rooms', terminal: undefined, note: (line) => said.push(line), clock })
  for (let done = 1; done <= 35; done++) {
    now += 1_000
    progress.step(done, 35)
  }
  progress.stop()
  expect(said).toEqual(['rooms: 10 of 35', 'rooms: 20 of 35', 'rooms: 30 of 35'])
})

test('a terminal shows a bar and no line', async () => {
  const terminal = Object.assign(new PassThrough(), TERMINAL) as unknown as NodeJS.WriteStream
  const said: string[] = []
  const clock = { now: () => 0, monotonic: () => 0 }
  const progress = await startProgress({ label: 'rooms', terminal, note: (line) => said.push(line), clock })
  progress.step(1, 3)
  progress.step(3, 3)
  progress.stop()
  const shown = String((terminal as unknown as PassThrough).read())
  expect(shown).toContain('rooms')
  expect(shown).toContain('of 3')
  expect(said).toEqual([])
})

/** What a bar asks of a terminal. */
const TERMINAL = {
  isTTY: true,
  columns: 80,
  cursorTo: () => true,
  moveCursor: () => true,
  clearLine: () => true,
  clearScreenDown: () => true,
}
