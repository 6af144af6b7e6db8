import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { freshPostgres, freshSqlite } from './databases.ts'
import { startTestServer, type TestFederation, type TestServer } from './server.ts'

type Section = Record<string, unknown>

/**
 * Runs the tests once per engine, all of them on one server. `server` is filled in before the first one. The
 * configuration may be asked for when the server starts, where it names what a `beforeAll` has started.
 */
export function eachServer(
  clientApi: Section | (() => Section),
  tests: (server: TestServer) => void,
  more: TestFederation = {},
): void {
  const engines = process.env.DENDRITE_TEST_POSTGRES === undefined ? ['sqlite'] : ['sqlite', 'postgres']
  describe.each(engines)('on %s', (engine) => {
    const server = {} as TestServer
    const undo: (() => Promise<void>)[] = []
    beforeAll(async () => {
      const { options, dir } = engine === 'sqlite' ? await freshSqlite(undo) : await freshPostgres(undo)
      const uri = engine === 'sqlite' ? `file:${join(dir, 'server.db')}` : options.connectionString
      Object.assign(server, await startTestServer(typeof clientApi === 'function' ? clientApi() : clientApi, uri, more))
      undo.push(() => server.stop())
    })
    afterAll(async () => {
      for (const step of undo.reverse()) await step()
    })
    tests(server)
  })
}
