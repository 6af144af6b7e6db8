import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MESSAGES = 500
const PAGE = 100
/** Of the logger that the SDK uses. */
const SILENT = 5

// matrix-js-sdk asks for this of Node 22.
const withResolvers = Promise as unknown as { withResolvers?: () => object }
withResolvers.withResolvers ??= <T>() => {
  let resolve: (value: T) => void = () => undefined
  let reject: (reason: unknown) => void = () => undefined
  const promise = new Promise<T>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}

eachEngine((engine, fresh) => {
  test('two users of matrix-js-sdk meet, talk and page back', async () => {
    const { createClient, ClientEvent, EventType, MsgType, Preset, SyncState, logger } = await sdk()
    logger.setLevel?.(SILENT)
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'sdk.db')}`
    const server: TestServer = await startTestServer({}, uri)
    const clients: { stopClient(): void }[] = []
    try {
      const enter = async (localpart: string) => {
        const account = await server.register(localpart)
        const client = createClient({
          baseUrl: server.url,
          userId: account.userId,
          accessToken: account.token,
          deviceId: account.deviceId,
        })
        clients.push(client)
        const prepared = new Promise<void>((done) => {
          client.on(ClientEvent.Sync, (state) => {
            if (state === SyncState.Prepared) done()
          })
        })
        await client.startClient({ initialSyncLimit: 20 })
        await prepared
        return client
      }
      const [alice, bob] = [await enter('alice'), await enter('bob')]
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
      for (const client of clients) client.stopClient()
      await server.stop()
    }
  }, 120_000)
})

async function sdk() {
  const loaded = await import('matrix-js-sdk')
  const { logger } = await import('matrix-js-sdk/lib/logger.js')
  return { ...loaded, logger: logger as unknown as { setLevel?: (level: number) => void } }
}
