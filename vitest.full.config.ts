import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

const FULL = ['test/**/*.full.test.ts']
const NO_TESTS = ['node_modules/**']
/** They measure times and memory, or build the program anew: nothing else runs beside them. */
const ALONE = [
  'test/e2e/{slow-disk,large-files,idle-memory}.full.test.ts',
  'test/hostile/media.full.test.ts',
  'test/package.full.test.ts',
]

/** What takes longer than `npm test` may: packaging, kills by the hundred, slow disks. */
const full = mergeConfig(base, defineConfig({ test: { testTimeout: 900_000 } }))
full.test = {
  ...full.test,
  projects: [
    {
      extends: true,
      test: { name: 'alone', include: ALONE, exclude: NO_TESTS, maxWorkers: 1, sequence: { groupOrder: 0 } },
    },
    {
      extends: true,
      test: { name: 'beside', include: FULL, exclude: [...NO_TESTS, ...ALONE], sequence: { groupOrder: 1 } },
    },
  ],
}

export default full
