import { startPostgres } from './postgres.ts'

/** Runs once before all test files: one PostgreSQL, in which every test makes a database of its own. */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env.DENDRITE_TEST_POSTGRES !== undefined) return async () => undefined
  const postgres = await startPostgres()
  process.env.DENDRITE_TEST_POSTGRES = postgres.uri
  return () => postgres.stop()
}
