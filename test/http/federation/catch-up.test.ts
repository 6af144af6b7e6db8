import { afterEach, beforeEach, expect, test } from 'vitest'
import { append } from '../../../src/actions/append.ts'
import { write } from '../../../src/actions/write.ts'
import type { UserId } from '../../../src/core/ids.ts'
import { deleteLogRows } from '../../../src/store/log.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { type Json, type Session, sessionOf } from '../../helpers/session.ts'

/** More than a server is told one by one. */
const MISSED = 1_100

let network: TestNetwork
let a: TestServer
let b: TestServer
let alice: Session
let bob: Session
let roomId: string
beforeEach(async () => {
  network = createTestNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
  alice = sessionOf(a, await a.register('alice'))
  bob = sessionOf(b, await b.register('bob'))
  roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.post(`/join/${encodeURIComponent(roomId)}?server_name=a.example`)
  await settled(a, b)
})
afterEach(() => network.stop())

/** Many messages at once, while b is away. `meanwhile`: what happens before it is back. */
async function talk(count: number, meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  network.cut('b.example', true)
  const sender = alice.userId as UserId
  for (let start = 0; start < count; start += 100) {
    await append(a.app, roomId, async (writer) => {
      for (let n = start; n < Math.min(count, start + 100); n++)
        await writer.add({
          type: 'm.room.message',
          stateKey: null,
          sender,
          content: { msgtype: 'm.text', body: `${n}` },
        })
    })
  }
  await settled(a)
  await meanwhile()
  network.cut('b.example', false)
  network.carried.length = 0
  // It is back: that it speaks ends the pause.
  await bob.send(roomId, 'back')
  await settled(b, a)
}

const told = () =>
  network.carried
    .filter(({ destination, uri }) => destination === 'b.example' && uri.includes('/send/'))
    .map(({ body }) => (JSON.parse(body!) as Json).pdus.length)
const newest = async () =>
  (await bob.sync()).rooms.join[roomId].timeline.events.map((event: Json) => event.content.body)

test('a server that missed much gets the newest event of the room, not the whole past', async () => {
  await talk(MISSED)
  expect(await newest()).toContain(`${MISSED - 1}`)
  expect(told().reduce((sum, count) => sum + count, 0)).toBeLessThan(10)
  // It is told of what comes next as ever.
  await alice.send(roomId, 'next')
  await settled(a, b)
  expect(await newest()).toContain('next')
})

test('one that missed little gets it all in full transactions, in order', async () => {
  await talk(160)
  expect(told()).toEqual([1, 50, 50, 50, 9])
  const page = await bob.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=200`)
  const heard = page.chunk.map((event: Json) => Number(event.content.body)).filter((n: number) => !Number.isNaN(n))
  expect(heard).toEqual(Array.from({ length: 160 }, (_, n) => 159 - n))
})

test('one that was away for longer than the log is kept gets the newest event of the room', async () => {
  const prune = () => write(a.app, { guards: [], writes: [deleteLogRows(a.app.db.safePosition())], log: [] })
  await talk(3, prune)
  expect(await newest()).toContain('2')
})
