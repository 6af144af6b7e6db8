import { parseArgs } from 'node:util'
import { makeDir, runSeeds } from './seeds.ts'
import { simulate } from './simulate.ts'

/**
 * `npm run test:simulation -- --seeds 20000 --from 1000`: as many stories, for a night. `-- --trace 17`: what happens
 * in one of them.
 */
async function main(): Promise<void> {
  const options = { seeds: { type: 'string' }, from: { type: 'string' }, trace: { type: 'string' } } as const
  const { values } = parseArgs({ options })
  if (values.trace !== undefined) {
    const { trace, faults } = await simulate(Number(values.trace), { dir: makeDir() })
    console.log([...trace, ...faults].join('\n'))
    process.exitCode = faults.length === 0 ? 0 : 1
    return
  }
  const report = (done: number, failures: number) => {
    if (done % 100 === 0) console.log(`${done} stories, ${failures} of them end badly`)
  }
  const { failures, tally } = await runSeeds(Number(values.from ?? 0), Number(values.seeds ?? 300), report)
  for (const { seed, faults } of failures) console.log([`seed ${seed}`, ...faults].join('\n  '))
  console.log(tally)
  process.exitCode = failures.length === 0 ? 0 : 1
}

await main()
