import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** Programs of others that speak Matrix, installed when the tests run. */
const interop = mergeConfig(
  base,
  defineConfig({ test: { fileParallelism: false, testTimeout: 120_000, hookTimeout: 400_000 } }),
)
interop.test = { ...interop.test, projects: undefined, include: ['test/interop/**/*.interop.ts'] }

export default interop
