import { expect, test } from 'vitest'
import { freshPostgres } from '../helpers/databases.ts'
import { createTestNetwork } from '../helpers/federation.ts'
import { assault } from './assault.ts'

const REQUESTS = 20_000

test.each(['sqlite', 'postgres'])('many hostile requests, on %s', { timeout: 1_800_000 }, async (engine) => {
  const undo: (() => Promise<void>)[] = []
  const connectionString = engine === 'sqlite' ? undefined : (await freshPostgres(undo)).options.connectionString
  const network = createTestNetwork()
  const peer = await network.start('peer.example')
  const server = await network.start('test.example', connectionString, { clientApi: { guests_disabled: false } })
  const seed = Number(process.env.DENDRITE_TEST_SEED ?? 100)
  expect(await assault({ server, peer, seed, requests: REQUESTS })).toEqual([])
  await network.stop()
  for (const step of undo.reverse()) await step()
})
