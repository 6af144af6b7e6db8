import { join } from 'node:path'
import type { MatrixClient } from 'matrix-js-sdk'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { enter, sdk, stopClients } from '../helpers/js-sdk.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MESSAGES = 500
const PAGE = 100
eachEngine((engine, fresh) => {
  test('two users of matrix-js-sdk meet, talk and page back', async () => {
    const { ClientEvent, EventType, MsgType, Preset } = await sdk()
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'sdk.db')}`
    const server: TestServer = await startTestServer({}, uri)
    const clients: MatrixClient[] = []
    try {
      for (const name of ['alice', 'bob']) clients.push(await enter(server, name))
      const [alice, bob] = clients as [MatrixClient, MatrixClient]
      const { room_id: roomId } = await alice.createRoom({ preset: Preset.PrivateChat, invite: [bob.getUserId()!] })
      await bob.joinRoom(roomId)
      const heard = new Promise<string>((done) => {
        bob.on(ClientEvent.Event, (event) => {
          if (event.getType() === EventType.RoomMessage) done(event.getContent().body)
        })
      })
      await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: 'hello' })
      expect(await heard).toBe('hello')
      for (let n = 1; n < MESSAGES; n++) await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: `${n}` })
      const room = bob.getRoom(roomId)!
      while (room.oldState.paginationToken !== null) await bob.scrollback(room, PAGE)
      const timeline = room.getLiveTimeline().getEvents()
      const bodies = timeline
        .filter((event) => event.getType() === EventType.RoomMessage)
        .map((event) => event.getContent().body)
      expect(new Set(bodies).size).toBe(bodies.length)
      expect(bodies.slice(0, 2)).toEqual(['hello', '1'])
      expect(timeline[0]?.getType()).toBe(EventType.RoomCreate)
    } finally {
      await stopClients(clients)
      await server.stop()
    }
  }, 120_000)
})
