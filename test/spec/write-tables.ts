import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { README_STATE, stateOfSpecification } from './state.ts'
import { ROOT } from './table.ts'

/**
 * `npm run endpoints -- test files` runs them and notes in `tested.tsv` what they called; without files, all of
 * `test/http`, and README's state of the specification is written too.
 */
const files = process.argv.length > 2 ? process.argv.slice(2) : ['test/http']
const run = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...files], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, DENDRITE_WRITE_TESTED: '1' },
})
if (process.argv.length === 2) writeState()
process.exitCode = run.status ?? 1

function writeState(): void {
  const readme = join(ROOT, 'README.md')
  const text = readFileSync(readme, 'utf8')
  writeFileSync(
    readme,
    text.replace(README_STATE, () => stateOfSpecification(ENDPOINTS)),
  )
}
