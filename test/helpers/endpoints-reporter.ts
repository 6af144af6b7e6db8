import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'
import { ROOT, readTested, SPEC, TESTED_FILE } from '../spec/table.ts'
import { REPLIES_VARIABLE } from './replies.ts'

/** Set by `npm run endpoints`: the table is written anew instead of checked. */
const WRITE_VARIABLE = 'DENDRITE_WRITE_TESTED'

/** Says how many answers followed the specification's schemas, and holds `test/spec/tested.tsv` to what was called. */
export default class EndpointsReporter implements Reporter {
  private dir = ''

  onInit(): void {
    this.dir = mkdtempSync(join(tmpdir(), 'dendrite-replies-'))
    process.env[REPLIES_VARIABLE] = join(this.dir, 'replies.tsv')
    writeFileSync(join(this.dir, 'replies.tsv'), '')
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const text = readFileSync(join(this.dir, 'replies.tsv'), 'utf8')
    rmSync(this.dir, { recursive: true, force: true })
    const replies = text.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')]))
    const checked = replies.filter(([, , schema]) => schema === 'checked').length
    if (replies.length > 0) {
      const keys = new Set(replies.map(([key]) => key))
      console.log(
        `${checked} of ${replies.length} answers of ${keys.size} endpoints were checked against their schemas`,
      )
    }
    const called = new Set(replies.map(([key, file]) => `${key}\t${file}`))
    const whole = new Set(modules.filter(ranWhole).map((module) => relative(ROOT, module.moduleId)))
    if (process.env[WRITE_VARIABLE] !== undefined) writeTested(called, whole)
    const wrong = staleRows(readTested(), called, whole)
    if (wrong.length === 0) return
    console.log(`test/spec/tested.tsv is out of date (npm run endpoints): ${wrong.join(', ')}`)
    process.exitCode = 1
  }
}

/** Rows that name a test file which ran whole and did not call the endpoint. */
export function staleRows(
  tested: ReadonlyMap<string, string>,
  called: ReadonlySet<string>,
  whole: ReadonlySet<string>,
): string[] {
  return [...tested].filter(([key, file]) => whole.has(file) && !called.has(`${key}\t${file}`)).map(([key]) => key)
}

/** A row that still holds, or whose test did not run, stays as it is. */
function writeTested(called: ReadonlySet<string>, whole: ReadonlySet<string>): void {
  const tested = readTested()
  for (const key of staleRows(tested, called, whole)) tested.delete(key)
  for (const row of [...called].sort()) {
    const [key = '', file = ''] = row.split('\t')
    if (!tested.has(key)) tested.set(key, file)
  }
  const rows = SPEC.filter(({ key }) => tested.has(key)).map(({ key }) => `${key}\t${tested.get(key)}\n`)
  writeFileSync(TESTED_FILE, rows.join(''))
}

function ranWhole(module: TestModule): boolean {
  return module.ok() && [...module.children.allTests()].every((test) => test.result().state === 'passed')
}
