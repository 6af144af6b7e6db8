import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { simulate } from './simulate.ts'

/** Files in memory where there are such: nothing of them has to survive. */
export function makeDir(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dendrite-simulation-'))
}

export interface Failure {
  readonly seed: number
  readonly faults: readonly string[]
}

/** What goes wrong in the stories of these seeds, and how often what was done in them. */
export async function runSeeds(
  from: number,
  count: number,
  told: (done: number, failures: number) => void = () => undefined,
): Promise<{ failures: Failure[]; tally: Record<string, number> }> {
  const dir = makeDir()
  const failures: Failure[] = []
  const tally: Record<string, number> = {}
  try {
    for (let seed = from; seed < from + count; seed++) {
      const outcome = await simulate(seed, { dir })
      if (outcome.faults.length > 0) failures.push({ seed, faults: outcome.faults })
      for (const [what, times] of Object.entries(outcome.tally)) tally[what] = (tally[what] ?? 0) + times
      told(seed - from + 1, failures.length)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  return { failures, tally }
}
