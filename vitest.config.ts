import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.full.test.ts', 'node_modules/**'],
    // For a busy machine: nothing waits for a time to pass.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    disableConsoleIntercept: true,
    pool: 'forks',
    // Files share the modules that they read: reading them anew for each was a third of the work.
    isolate: false,
    // Two, also on a machine of two cores: much of the time is spent waiting for disks and other processes.
    maxWorkers: 2,
    globalSetup: ['test/helpers/postgres-setup.ts'],
    reporters: ['default', './test/helpers/endpoints-reporter.ts', './test/helpers/tally-reporter.ts'],
  },
})
