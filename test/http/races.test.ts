import { join } from 'node:path'
import { afterEach, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { type Racers, raceOnAliases, raceOnMemberships, raceOnState, raceOnTransactions } from '../helpers/races.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { sessionOf } from '../helpers/session.ts'

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  /** On PostgreSQL two servers share the database, and every other request goes to the second one. */
  async function racers(): Promise<Racers> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    for (let n = 0; n < (engine === 'postgres' ? 2 : 1); n++) running.push(await startTestServer({}, uri))
    const everywhere = async (localpart: string) => {
      const account = await running[0]!.register(localpart)
      return running.map((server) => sessionOf(server, account))
    }
    return { alice: await everywhere('alice'), bob: await everywhere('bob') }
  }

  test('state set at the same time is one history', async () => raceOnState(await racers()), 60_000)
  test('memberships changed at the same time go by the rules', async () => raceOnMemberships(await racers()), 60_000)
  test('an alias wanted at the same time is one room’s', async () => raceOnAliases(await racers()), 60_000)
  test('a transaction sent many times at once is one event', async () => raceOnTransactions(await racers()), 60_000)
})
