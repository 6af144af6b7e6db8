import { type Failure, runSeeds } from './seeds.ts'

/** The program of `runSeedsApart`: tells so many stories from each of some seeds on, and sends what became of them. */
async function main(): Promise<void> {
  process.once('disconnect', () => process.exit(1))
  const numbers = process.argv.slice(2).map(Number)
  const failures: Failure[] = []
  const tally: Record<string, number> = {}
  for (let at = 0; at < numbers.length; at += 2) {
    const outcome = await runSeeds(numbers[at]!, numbers[at + 1]!)
    failures.push(...outcome.failures)
    for (const [what, times] of Object.entries(outcome.tally)) tally[what] = (tally[what] ?? 0) + times
  }
  process.send?.({ failures, tally }, () => process.exit(0))
}

await main()
