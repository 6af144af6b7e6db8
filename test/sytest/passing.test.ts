import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { areaOf, byArea, share } from './areas.ts'
import { grown, lost, type Passing, readPassing, writePassing } from './passing.ts'
import { readResults } from './results.ts'

const list: Passing = {
  commit: '404d274c',
  engine: 'SQLite',
  files: new Map([
    ['13logout.pl', { total: 2, passing: ['Can logout'] }],
    ['30rooms/05aliases.pl', { total: 3, passing: ['Aliases: 1 of 2', 'An alias is gone'] }],
  ]),
}

function run(...outcomes: [file: string, name: string, outcome: string][]): string[] {
  return outcomes.map(([file, name, outcome]) => JSON.stringify({ file, name, outcome, detail: '' }))
}

test('the list is read as it was written, and says how much passes', () => {
  const text = writePassing(list)
  expect(text.split('\n')[0]).toBe('# Sytest 404d274c on SQLite: 3 of 5 pass.')
  expect(readPassing(text)).toEqual(list)
})

test('a name of the list that fails, is skipped or does not appear is told, in files that ran', () => {
  const all = run(['30rooms/05aliases.pl', 'Aliases: 1 of 2', 'passed'], ['30rooms/05aliases.pl', 'New', 'failed'])
  expect(lost(list, readResults(all))).toEqual(['30rooms/05aliases.pl: An alias is gone'])
  const skipped = run(['13logout.pl', 'Can logout', 'skipped'])
  expect(lost(list, readResults(skipped))).toEqual(['13logout.pl: Can logout'])
  expect(lost(list, readResults(run(['13logout.pl', 'Can logout', 'passed'])))).toEqual([])
})

test('the list grows and never shrinks', () => {
  const lines = run(['13logout.pl', 'Can logout', 'failed'], ['13logout.pl', 'Can log  out\nall', 'passed'])
  const more = grown(list, readResults([...lines, ...run(['42tags.pl', 'Tags', 'passed'])]))
  expect(more.files.get('13logout.pl')).toEqual({ total: 2, passing: ['Can logout', 'Can log out all'] })
  expect(more.files.get('42tags.pl')).toEqual({ total: 1, passing: ['Tags'] })
  expect(more.files.get('30rooms/05aliases.pl')).toEqual(list.files.get('30rooms/05aliases.pl'))
})

test('of two tests with one name both have to pass, and a failure has what was logged about it', () => {
  const twice = run(['a.pl', 'Same', 'failed'], ['a.pl', 'Same', 'passed'])
  expect(readResults([...twice.slice(0, 1), '{"remark":"body: {}"}', ...twice.slice(1)])).toEqual([
    { file: 'a.pl', name: 'Same', outcome: 'failed', detail: '\nbody: {}' },
  ])
})

test('every file has an area, and areas are counted', () => {
  expect([areaOf('10apidoc/46push.pl'), areaOf('10apidoc/30room-create.pl'), areaOf('99new.pl')]).toEqual([
    'Push',
    'Rooms',
    'Rest',
  ])
  expect(share(byArea(list.files).get('Rooms') ?? { passing: 0, total: 0 })).toBe('66.7 % (2 of 3)')
})

test.each(['sqlite', 'postgresql'])('the list of %s in the repository is well formed', (engine) => {
  const path = new URL(`${engine}.txt`, import.meta.url)
  expect(existsSync(path)).toBe(true)
  const text = readFileSync(path, 'utf8')
  expect(writePassing(readPassing(text))).toBe(text)
})
