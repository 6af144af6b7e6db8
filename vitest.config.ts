import { defineConfig } from 'vitest/config'

const TESTS = ['test/**/*.test.ts']
const NO_TESTS = ['test/**/*.full.test.ts', 'node_modules/**']
const ALONE = ['test/simulation/faults.test.ts']

export default defineConfig({
  test: {
    // Files share the modules that they read: reading them anew for each was a third of the work. Those that put others
    // in the place of modules have them for themselves.
    projects: [
      { extends: true, test: { name: 'shared', isolate: false, include: TESTS, exclude: [...NO_TESTS, ...ALONE] } },
      { extends: true, test: { name: 'alone', include: ALONE } },
    ],
    // For a busy machine: nothing waits for a time to pass.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    disableConsoleIntercept: true,
    pool: 'forks',
    // Two, also on a machine of two cores: much of the time is spent waiting for disks and other processes.
    maxWorkers: 2,
    globalSetup: ['test/helpers/memory-setup.ts', 'test/helpers/postgres-setup.ts'],
    reporters: ['default', './test/helpers/endpoints-reporter.ts', './test/helpers/tally-reporter.ts'],
  },
})
