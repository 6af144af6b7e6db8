import { beforeAll, describe, expect, test } from 'vitest'
import { buildEvent, type Event, type EventId } from '../../../src/core/event.ts'
import type { RoomId, UserId } from '../../../src/core/ids.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { roomVersion } from '../../../src/core/room-version.ts'
import { federationPath } from '../../../src/remote/ask-server.ts'
import { eachNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { inRoom, type Json, type Session, sessionOf } from '../../helpers/session.ts'

eachNetwork(['a.example', 'b.example'], (joint) => {
  let network: TestNetwork
  let a: TestServer
  let b: TestServer
  let alice: Session
  let bob: Session
  let transactions = 0
  beforeAll(async () => {
    network = joint.network
    ;[a, b] = joint.servers as [TestServer, TestServer]
    alice = sessionOf(a, await a.register('alice'))
    bob = sessionOf(b, await b.register('bob'))
  })

  async function sharedRoom(): Promise<RoomId> {
    const roomId = (await alice.createRoom({ preset: 'public_chat' })) as RoomId
    await bob.post(`/join/${encodeURIComponent(roomId)}?via=a.example`)
    await settled(a, b)
    return roomId
  }

  /** The PDUs as the server b would send them. */
  async function send(...events: readonly Event[]): Promise<void> {
    const uri = `/_matrix/federation/v1/send/redactions${transactions++}`
    const pdus = events.map((event) => event.pdu)
    await network.ask(b, 'a.example', { method: 'PUT', uri, content: { pdus, edus: [] } })
    await settled(a)
  }

  /** An event of bob's that follows the given one. */
  async function eventOf(roomId: RoomId, after: EventId, type: string, more: Partial<Event>): Promise<Event> {
    const uri = federationPath`/v1/make_leave/${roomId}/${bob.userId}`
    const { event } = (await network.ask(b, 'a.example', { method: 'GET', uri })) as Json
    const draft = {
      ...{ roomId, type, stateKey: null, sender: bob.userId as UserId, content: {}, prevEvents: [after] },
      ...{ originServerTs: Date.now(), depth: event.depth, authEvents: event.auth_events, ...more },
    }
    return buildEvent(roomVersion('12')!, draft as never, b.app.serverName, b.app.key)
  }

  const end = async (roomId: RoomId): Promise<EventId> => (await alice.send(roomId, 'end')) as EventId
  const timeline = (sync: Json, roomId: string): Json[] => sync.rooms?.join?.[roomId]?.timeline.events ?? []

  describe('a redaction', () => {
    test('that comes before its event redacts it all the same, and is not shown before', async () => {
      const roomId = await sharedRoom()
      const last = await end(roomId)
      const message = await eventOf(roomId, last, 'm.room.message', { content: { msgtype: 'm.text', body: 'secret' } })
      const redaction = await eventOf(roomId, last, 'm.room.redaction', { redacts: message.eventId })
      const before = await alice.sync()
      await send(redaction)
      expect(timeline(await alice.sync(before), roomId)).toEqual([])
      await send(message)
      const event = await alice.get(`${inRoom(roomId)}/event/${encodeURIComponent(message.eventId)}`)
      expect([event.content, event.unsigned.redacted_by]).toEqual([{}, redaction.eventId])
    })

    test('S13: of an event of another room, or by who may not, redacts nothing and is not shown', async () => {
      const [roomId, other] = [await sharedRoom(), await sharedRoom()]
      const elsewhere = await alice.send(other, 'elsewhere')
      const here = await end(roomId)
      const wrong: Event[] = []
      for (const redacts of [elsewhere, here] as EventId[])
        wrong.push(await eventOf(roomId, here, 'm.room.redaction', { redacts }))
      const before = await alice.sync()
      await send(...wrong)
      const sentinel = await eventOf(roomId, here, 'm.room.message', { content: { msgtype: 'm.text', body: 'hello' } })
      await send(sentinel)
      const shown = timeline(await alice.sync(before), roomId).map((event) => event.event_id)
      expect(shown).toEqual([sentinel.eventId])
      for (const [room, eventId] of [
        [other, elsewhere],
        [roomId, here],
      ] as const) {
        const event = await alice.get(`${inRoom(room)}/event/${encodeURIComponent(eventId)}`)
        expect((event.content as JsonObject).body).toBeDefined()
      }
    })
  })
})
