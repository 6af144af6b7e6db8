import { randomBytes } from 'node:crypto'
import { makeTemplate, onServer } from './databases.ts'
import { startPostgres } from './postgres.ts'

/** Runs once before all test files: one PostgreSQL, in which every test makes a database of its own. */
export default async function setup(): Promise<() => Promise<void>> {
  // Each project of the configuration asks for this.
  if (process.env.DENDRITE_TEST_TEMPLATE !== undefined) return async () => undefined
  const given = process.env.DENDRITE_TEST_POSTGRES
  const postgres = given === undefined ? await startPostgres() : undefined
  const uri = given ?? postgres!.uri
  const template = `template_${randomBytes(8).toString('hex')}`
  await makeTemplate(uri, template)
  process.env.DENDRITE_TEST_POSTGRES = uri
  process.env.DENDRITE_TEST_TEMPLATE = template
  return async () => (postgres === undefined ? onServer(uri, `DROP DATABASE ${template}`) : postgres.stop())
}
