import { afterEach, expect, test } from 'vitest'
import { generateSigningKey, writeKeyPem } from '../../src/core/keys.ts'
import { systemRandom } from '../../src/live/time.ts'
import { freshPostgres } from '../helpers/databases.ts'
import { createTestNetwork, settled } from '../helpers/federation.ts'
import type { TestServer } from '../helpers/server.ts'
import { type Json, sessionOf } from '../helpers/session.ts'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** A server of two processes on one database, and another server, whose user is in a room of the first. */
async function startThree() {
  const network = createTestNetwork()
  const { options } = await freshPostgres(undo)
  undo.push(() => network.stop())
  const keyPem = writeKeyPem(generateSigningKey(systemRandom.bytes))
  const first = await network.start('a.example', options.connectionString, { keyPem })
  const second = await network.start('a.example', options.connectionString, { keyPem })
  const b = await network.start('b.example')
  const account = await first.register('alice')
  const alice = [sessionOf(first, account), sessionOf(second, account)] as const
  const bob = sessionOf(b, await b.register('bob'))
  const roomId = await alice[0].createRoom({ preset: 'public_chat', room_alias_name: 'tea' })
  await bob.post(`/join/${encodeURIComponent('#tea:a.example')}`)
  await settled(first, second, b)
  return { network, first, second, b, alice, bob, roomId }
}

const sentTo = (network: { carried: readonly Json[] }) =>
  network.carried
    .filter(({ destination, uri }) => destination === 'b.example' && uri.includes('/send/'))
    .flatMap(({ body }) => (JSON.parse(body) as Json).pdus.map((pdu: Json) => pdu.content.body))
    .filter((body) => body !== undefined)

async function toB(b: TestServer, ready: () => Promise<boolean>) {
  while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, 20))
  await settled(b)
}

test('what either process writes is sent once, also who types, and on after the sender has stopped', async () => {
  const { network, first, second, b, alice, bob, roomId } = await startThree()
  await Promise.all(Array.from({ length: 10 }, (_, n) => alice[n % 2]!.send(roomId, `message ${n}`)))
  await settled(first, second, b)
  expect(sentTo(network).toSorted()).toEqual(Array.from({ length: 10 }, (_, n) => `message ${n}`).toSorted())

  const before = await bob.sync()
  const path = `/rooms/${encodeURIComponent(roomId)}/typing/${encodeURIComponent(alice[1].userId)}`
  await alice[1].put(path, { typing: true, timeout: 30_000 })
  const typing = async () =>
    (await bob.sync(before)).rooms?.join?.[roomId]?.ephemeral?.events.some((event: Json) => event.type === 'm.typing')
  await toB(b, typing)

  await first.followers.stop()
  await alice[1].send(roomId, 'after the change')
  await toB(b, async () => sentTo(network).includes('after the change'))
  expect(sentTo(network)).toHaveLength(11)
}, 60_000)

test('a server that was away, and speaks to the process that does not send, is told at once', async () => {
  const { network, first, second, b, alice, bob, roomId } = await startThree()
  network.cut('b.example', true)
  await alice[0].send(roomId, 'while away')
  await settled(first, second)
  const row = async () => {
    const rows = await first.app.db.read({ strings: ['SELECT retry_at FROM destinations'], holes: [] })
    return rows[0]?.retry_at
  }
  while ((await row()) === undefined || (await row()) === null) await new Promise((resolve) => setTimeout(resolve, 20))
  network.cut('b.example', false)
  // The network leads to the second process.
  await bob.send(roomId, 'I am back')
  await toB(b, async () => sentTo(network).includes('while away'))
  const told = { strings: ["SELECT subject FROM log WHERE kind = 'server_alive'"], holes: [] }
  expect(await first.app.db.read(told)).toContainEqual({ subject: 'b.example' })
}, 60_000)
