import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** What takes longer than `npm test` may: packaging, kills by the hundred, slow disks. */
const full = mergeConfig(base, defineConfig({ test: { fileParallelism: false, testTimeout: 600_000 } }))
full.test = { ...full.test, projects: undefined, include: ['test/**/*.full.test.ts'], exclude: ['node_modules/**'] }

export default full
