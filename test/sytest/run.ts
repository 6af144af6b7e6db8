// npm run sytest -- [--postgres] [--update] [--areas] [--work DIR] [files or directories of Sytest's tests]
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { areaOf, byArea, share } from './areas.ts'
import { grown, lost, type Passing, readPassing, writePassing } from './passing.ts'
import { type Result, readResults } from './results.ts'
import { runSuite } from './suite.ts'

const USAGE = `Runs Sytest against the built program and compares the run with the list of what passes.

  npm run sytest -- [options] [files or directories, as in 30rooms or 10apidoc/01register.pl]

  --postgres   on PostgreSQL instead of SQLite
  --update     adds what newly passes to the list
  --areas      prints the share that passes, by area
  --work DIR   keeps servers, databases and logs there

SYTEST_DIR names a checkout of github.com/matrix-org/sytest. See test/sytest/README.md.`

/** How much is printed of what is known about a failure; the rest is in the results. */
const DETAIL_LINES = 12

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      postgres: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      areas: { type: 'boolean', default: false },
      work: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const sytest = process.env.SYTEST_DIR
  if (values.help || sytest === undefined || !existsSync(join(sytest, 'run-tests.pl'))) {
    console.log(values.help ? USAGE : 'SYTEST_DIR has to name a checkout of github.com/matrix-org/sytest.')
    return values.help ? 0 : 2
  }
  const work = resolve(values.work ?? mkdtempSync(join(tmpdir(), 'dendrite-sytest-')))
  const files = positionals.flatMap((name) => filesOf(resolve(sytest), name))
  const lines: string[] = []
  const onLine = (line: string) => {
    lines.push(line)
    for (const result of line.startsWith('{"detail"') ? readResults([line]) : []) console.log(lineOf(result))
  }
  const status = await runSuite({ sytest: resolve(sytest), work, postgres: values.postgres, files, onLine })
  writeFileSync(join(work, 'results.jsonl'), `${lines.join('\n')}\n`)
  const results = readResults(lines)
  printFailures(results)
  if (values.areas) printAreas(results)
  console.log(`Logs, and what is known about each failure: ${work}`)
  if (results.length === 0) return status || 1
  return compare(results, values.postgres ? 'PostgreSQL' : 'SQLite', commitOf(sytest), values.update)
}

function filesOf(sytest: string, name: string): string[] {
  const path = [join(sytest, 'tests', name), join(sytest, name)].find((path) => existsSync(path))
  if (path === undefined) throw new Error(`${name}: no such file or directory among Sytest's tests`)
  if (!statSync(path).isDirectory()) return [relative(sytest, path)]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return names.filter((file) => file.endsWith('.pl')).map((file) => relative(sytest, join(path, file)))
}

function lineOf({ outcome, file, name }: Result): string {
  return `${outcome.padEnd(8)}${file}: ${name}`
}

function printFailures(results: readonly Result[]): void {
  const failed = results.filter(({ outcome }) => outcome === 'failed')
  for (const { file, name, detail } of failed) console.log(`\n${file}: ${name}\n${indent(detail)}`)
  const passed = results.filter(({ outcome }) => outcome === 'passed')
  console.log(`\n${passed.length} of ${results.length} passed, ${failed.length} failed, the rest was skipped.`)
}

function indent(text: string): string {
  return text
    .split('\n')
    .slice(0, DETAIL_LINES)
    .map((line) => `    ${line}`)
    .join('\n')
}

function printAreas(results: readonly Result[]): void {
  const run = grown({ commit: '', engine: '', files: new Map() }, results)
  const present = new Set(results.map(({ file }) => areaOf(file)))
  for (const [area, counts] of byArea(run.files))
    if (present.has(area)) console.log(`${area.padEnd(44)}${share(counts)}`)
}

/** 1 when a test of the list did not pass. */
function compare(results: readonly Result[], engine: string, commit: string, update: boolean): number {
  const path = fileURLToPath(new URL(`${engine.toLowerCase()}.txt`, import.meta.url))
  const list = existsSync(path) ? readPassing(readFileSync(path, 'utf8')) : emptyList(engine, commit)
  const gone = lost(list, results)
  for (const name of gone) console.log(`passed before: ${name}`)
  if (update) writeFileSync(path, writePassing(grown({ ...list, commit }, results)))
  return gone.length > 0 ? 1 : 0
}

function emptyList(engine: string, commit: string): Passing {
  return { commit, engine, files: new Map() }
}

function commitOf(sytest: string): string {
  return execFileSync('git', ['rev-parse', '--short=8', 'HEAD'], { cwd: sytest, encoding: 'utf8' }).trim()
}
