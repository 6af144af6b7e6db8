import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { runSeeds } from './seeds.ts'

type Told = Awaited<ReturnType<typeof runSeeds>>

const ROOT = join(import.meta.dirname, '../..')

/** As `runSeeds`, in a process of its own and from one file: inside of the test runner it takes half as long again. */
export async function runSeedsApart(...ranges: readonly (readonly [from: number, count: number])[]): Promise<Told> {
  const outfile = join(ROOT, `dist/simulation-${process.pid}.mjs`)
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: ['test/simulation/teller.ts'],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format: 'esm',
      packages: 'external',
      logLevel: 'warning',
    })
    return await told(outfile, ranges.flat())
  } finally {
    rmSync(outfile, { force: true })
  }
}

function told(file: string, numbers: readonly number[]): Promise<Told> {
  return new Promise((resolve, reject) => {
    const teller = fork(file, numbers.map(String), { execArgv: [] })
    teller.once('message', (outcome) => resolve(outcome as Told))
    teller.once('error', reject)
    teller.once('exit', (code, signal) => reject(new Error(`The stories end early: ${code ?? signal}`)))
  })
}
