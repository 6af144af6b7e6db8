import type { Reporter, TestModule } from 'vitest/node'

/**
 * Prints `N passed, N failed` as the last line. What broke outside of a test counts as a failure; so does a run without
 * tests.
 */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const { passed, failed } = tally(modules, unhandledErrors.length)
    process.on('exit', () => process.stdout.write(`${passed} passed, ${failed} failed\n`))
  }
}

export function tally(modules: readonly TestModule[], unhandledErrors: number): { passed: number; failed: number } {
  let passed = 0
  let failed = unhandledErrors
  for (const module of modules) {
    let failedHere = 0
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') passed += 1
      if (state === 'failed' || state === 'pending') failedHere += 1
    }
    if (failedHere === 0 && !module.ok()) failedHere = 1
    failed += failedHere
  }
  return passed + failed === 0 ? { passed: 0, failed: 1 } : { passed, failed }
}
