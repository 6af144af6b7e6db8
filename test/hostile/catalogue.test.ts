import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../spec/table.ts'

/** The last number of the catalogue of what other servers were harmed by, as far as it is about peers. */
const LAST = 27

/** Numbers in names of tests: `test('S7, S8: what it is'`, and the same of `describe` and of `each`. */
const NAMED = /(?:\b(?:test|it|describe)\(|\beach\([^\n]*\)\(|^ *)\s*'((?:S\d+(?:, )?)+): /gm

test('each way in which peers harmed other servers is tried by a test that names it', () => {
  const sources = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && !path.endsWith('.full.test.ts'))
    .map((path) => readFileSync(join(ROOT, 'test', path), 'utf8'))
  const named = new Set(
    sources.flatMap((source) => [...source.matchAll(NAMED)].flatMap(([, rows]) => rows!.split(', '))),
  )
  const wanted = Array.from({ length: LAST }, (_, index) => `S${index + 1}`)
  expect(wanted.filter((row) => !named.has(row))).toEqual([])
})
