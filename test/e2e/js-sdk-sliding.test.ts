import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { clientOf, enter, sdk, start, stopClients, until } from '../helpers/js-sdk.ts'
import { startTestServer } from '../helpers/server.ts'

const LISTED = 3

eachEngine((engine, fresh) => {
  test('a client that syncs by a sliding window shows its newest rooms and hears what is said', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'sliding.db')}`
    const server = await startTestServer({}, uri)
    const { MsgType, Preset } = await sdk()
    const { SlidingSync } = await import('matrix-js-sdk/lib/sliding-sync.js')
    const alice = await enter(server, 'alice')
    const bob = await clientOf(server, await server.register('bob'))
    try {
      const rooms: string[] = []
      for (let number = 0; number <= LISTED; number++) {
        const wish = { name: `Room ${number}`, preset: Preset.PublicChat }
        rooms.push((await alice.createRoom(wish)).room_id)
        await bob.joinRoom(rooms[number]!)
      }
      const [oldest, , , newest] = rooms as [string, string, string, string]
      const required_state = [
        ['*', '*'],
        ['m.room.member', '$LAZY'],
        ['m.room.member', '$ME'],
      ]
      const list = { ranges: [[0, LISTED - 1]], timeline_limit: 5, required_state }
      const slidingSync = new SlidingSync(server.url, new Map([['all', list]]), {}, bob, 10_000)
      await start(bob, { slidingSync })
      await until(bob, () => bob.getRooms().length === LISTED)
      expect(bob.getRoom(newest)?.name).toBe('Room 3')
      expect(bob.getRoom(oldest)).toBeNull()
      const { event_id: eventId } = await alice.sendMessage(newest, { msgtype: MsgType.Text, body: 'hello' })
      const event = await until(bob, () => bob.getRoom(newest)?.findEventById(eventId))
      expect(event.getContent().body).toBe('hello')
      // A room comes into the window by what is said in it.
      await alice.sendMessage(oldest, { msgtype: MsgType.Text, body: 'up' })
      const risen = await until(bob, () => bob.getRoom(oldest) ?? undefined)
      await until(bob, () => risen.name === 'Room 0')
      await bob.sendMessage(oldest, { msgtype: MsgType.Text, body: 'here' })
      await until(alice, () => alice.getRoom(oldest)?.timeline.some((one) => one.getContent().body === 'here'))
    } finally {
      await stopClients([alice, bob])
      await server.stop()
    }
  }, 60_000)
})
