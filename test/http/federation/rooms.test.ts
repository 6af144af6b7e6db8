import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startInbox } from '../../../src/actions/federation/receive-transaction.ts'
import { joinRemoteRoom } from '../../../src/actions/memberships/join-remote-room.ts'
import { buildEvent } from '../../../src/core/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../../src/core/ids.ts'
import { ROOM_VERSIONS, roomVersion } from '../../../src/core/room-version.ts'
import { sql } from '../../../src/db/sql.ts'
import { knownInHistory } from '../../../src/store/pdus.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { type Json, type Session, sessionOf } from '../../helpers/session.ts'

let network: TestNetwork
let a: TestServer
let b: TestServer
let alice: Session
let bob: Session
beforeEach(async () => {
  network = createTestNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
  alice = sessionOf(a, await a.register('alice'))
  bob = sessionOf(b, await b.register('bob'))
})
afterEach(() => network.stop())

async function joinFrom(user: Session, server: TestServer, roomId: string, by = 'a.example') {
  await joinRemoteRoom(server.app, {
    roomId: roomId as RoomId,
    userId: user.userId as UserId,
    servers: [by as ServerName],
    content: {},
  })
}

async function stateOf(user: Session, roomId: string): Promise<Record<string, string>> {
  const events: Json[] = await user.get(`/rooms/${encodeURIComponent(roomId)}/state`)
  return Object.fromEntries(events.map((event) => [`${event.type} ${event.state_key}`, event.event_id]).sort())
}

const bodies = async (user: Session, roomId: string): Promise<string[]> => {
  const page = await user.get(`/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
  return page.chunk.flatMap((event: Json) => event.content.body ?? []).reverse()
}

describe('a room on two servers', () => {
  test.each([...ROOM_VERSIONS.keys()])('of version %s is joined, and both talk', async (version) => {
    const roomId = await alice.createRoom({ room_version: version, preset: 'public_chat', name: 'Two' })
    await joinFrom(bob, b, roomId)
    await settled(a, b)
    expect(await stateOf(bob, roomId)).toEqual(await stateOf(alice, roomId))
    await alice.send(roomId, 'from a')
    await settled(a, b)
    await bob.send(roomId, 'from b')
    await settled(a, b)
    expect(await bodies(alice, roomId)).toEqual(['from a', 'from b'])
    expect(await bodies(bob, roomId)).toEqual(['from a', 'from b'])
  })

  test('that grew apart comes together, with one state', async () => {
    const roomId = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { events: { 'm.room.topic': 0, 'm.room.name': 0 } },
    })
    await joinFrom(bob, b, roomId)
    await settled(a, b)
    network.cut('a.example', true)
    network.cut('b.example', true)
    await alice.setState(roomId, 'm.room.topic', { topic: 'of a' })
    await alice.send(roomId, 'a alone')
    await bob.setState(roomId, 'm.room.topic', { topic: 'of b' })
    await bob.send(roomId, 'b alone')
    // The last event of b, which alone sets the name: a resolves with it at once.
    await bob.setState(roomId, 'm.room.name', { name: 'of b' })
    await settled(a, b)
    network.cut('a.example', false)
    network.cut('b.example', false)
    a.app.live.destinations.wake('b.example' as ServerName)
    b.app.live.destinations.wake('a.example' as ServerName)
    await settled(a, b)
    expect((await bodies(alice, roomId)).sort()).toEqual(['a alone', 'b alone'])
    expect((await bodies(bob, roomId)).sort()).toEqual(['a alone', 'b alone'])
    expect(await stateOf(bob, roomId)).toEqual(await stateOf(alice, roomId))
    expect(Object.keys(await stateOf(alice, roomId))).toContain('m.room.name ')
    // The next message ties the ends together.
    await alice.send(roomId, 'together')
    await settled(a, b)
    expect(await bodies(bob, roomId)).toContain('together')
    expect(await stateOf(bob, roomId)).toEqual(await stateOf(alice, roomId))
  })

  test('redacts what came with the redaction, and what came before', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await joinFrom(bob, b, roomId)
    await settled(a, b)
    const inRoom = `/rooms/${encodeURIComponent(roomId)}`
    const early = await alice.send(roomId, 'early')
    await settled(a, b)
    network.cut('b.example', true)
    const late = await alice.send(roomId, 'late')
    for (const [index, eventId] of [early, late].entries())
      await alice.put(`${inRoom}/redact/${encodeURIComponent(eventId)}/txn${index}`, { reason: 'gone' })
    await settled(a)
    network.cut('b.example', false)
    a.app.live.destinations.wake('b.example' as ServerName)
    await settled(a, b)
    for (const eventId of [early, late]) {
      const event = await bob.get(`${inRoom}/event/${encodeURIComponent(eventId)}`)
      expect([event.content, event.unsigned.redacted_because.content.reason]).toEqual([{}, 'gone'])
    }
  })

  test('is paged back to its beginning by who joined late', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const said = Array.from({ length: 130 }, (_, index) => `before ${index}`)
    for (const body of said) await alice.send(roomId, body)
    await joinFrom(bob, b, roomId)
    await settled(a, b)
    const events: Json[] = []
    let from = ''
    for (let page = 0; page < 20; page++) {
      const path = `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=20${from}`
      const { chunk, end } = await bob.get(path)
      events.push(...chunk)
      if (end === undefined) break
      from = `&from=${end}`
    }
    expect(events.flatMap((event) => event.content.body ?? []).reverse()).toEqual(said)
    expect(new Set(events.map((event) => event.event_id)).size).toBe(events.length)
    expect(events.at(-1).type).toBe('m.room.create')
  })

  test('hears of joins that went by another of its servers', async () => {
    const c = await network.start('c.example')
    const carol = sessionOf(c, await c.register('carol'))
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await joinFrom(bob, b, roomId)
    await settled(a, b)
    await joinFrom(carol, c, roomId)
    await settled(a, b, c)
    expect(await stateOf(bob, roomId)).toEqual(await stateOf(alice, roomId))
    await carol.send(roomId, 'hello from c')
    await settled(a, b, c)
    expect(await bodies(bob, roomId)).toEqual(['hello from c'])
    await carol.post(`/rooms/${encodeURIComponent(roomId)}/leave`)
    await settled(a, b, c)
    for (const user of [alice, bob]) expect(await stateOf(user, roomId)).toEqual(await stateOf(carol, roomId))
  })

  describe('of which one server lacks events', () => {
    let roomId: string
    const missed = Array.from({ length: 30 }, (_, index) => `missed ${index}`)

    beforeEach(async () => {
      roomId = await alice.createRoom({ preset: 'public_chat' })
      await joinFrom(bob, b, roomId)
      await settled(a, b)
    })

    async function pdusOf(eventId: string): Promise<Json[]> {
      const uri = `/_matrix/federation/v1/event/${encodeURIComponent(eventId)}`
      return ((await network.ask(b, 'a.example', { method: 'GET', uri })) as Json).pdus
    }

    let transactions = 0
    async function tell(pdus: Json[]): Promise<void> {
      const uri = `/_matrix/federation/v1/send/by-hand${transactions++}`
      await network.ask(a, 'b.example', { method: 'PUT', uri, content: { pdus, edus: [] } })
      await settled(b)
    }

    async function loseThem(): Promise<Json[]> {
      network.cut('b.example', true)
      for (const body of missed) await alice.send(roomId, body)
      await settled(a, b)
      // As if the queue of a had been lost.
      await a.followers.stop()
      network.cut('b.example', false)
      return pdusOf(await alice.send(roomId, 'seen'))
    }

    test('it fetches them', async () => {
      await tell(await loseThem())
      expect(await bodies(bob, roomId)).toEqual([...missed, 'seen'])
    })

    test('the event that shows it waits while the others cannot be asked', async () => {
      const pdus = await loseThem()
      network.refuse((uri) => uri.includes('/get_missing_events/'), 'hang up')
      await tell(pdus)
      expect(await bodies(bob, roomId)).toEqual([])
      network.refuse(() => false)
      startInbox(b.app, roomId as RoomId)
      await settled(b)
      expect(await bodies(bob, roomId)).toEqual([...missed, 'seen'])
    })

    test('what rests on nothing, and whose server answers late, does not hold up the others', async () => {
      const evil = await network.start('evil.example')
      const mallory = sessionOf(evil, await evil.register('mallory'))
      await joinFrom(mallory, evil, roomId)
      await settled(a, b, evil)
      const { send } = network.transport
      let answer = () => {}
      const asked = new Promise<void>((isAsked) => {
        const late = new Promise<void>((resolve) => {
          answer = resolve
        })
        network.transport.send = async (request) => {
          if (request.destination === 'evil.example' && request.uri.includes('/get_missing_events/')) {
            isAsked()
            await late
          }
          return send(request)
        }
      })
      const [create] = await pdusOf((await stateOf(bob, roomId))['m.room.create ']!)
      const junk = Array.from({ length: 3 }, (_, index) =>
        buildEvent(
          roomVersion(create.content.room_version)!,
          {
            roomId: roomId as RoomId,
            type: 'm.room.message',
            stateKey: null,
            sender: mallory.userId as UserId,
            content: { body: `junk ${index}` },
            originServerTs: evil.app.clock.now(),
            depth: 1,
            prevEvents: [`$${'x'.repeat(42)}${index}` as EventId],
            authEvents: [],
          },
          evil.app.serverName,
          evil.app.key,
        ),
      )
      const content = { pdus: junk.map(({ pdu }) => pdu), edus: [] }
      await network.ask(evil, 'b.example', { method: 'PUT', uri: '/_matrix/federation/v1/send/junk', content })
      await asked
      const said = await alice.send(roomId, 'said meanwhile')
      await a.followers.idle()
      await startInbox(b.app, roomId as RoomId)
      expect((await knownInHistory(b.app.db, [said])).has(said as EventId)).toBe(true)
      answer()
      await settled(b)
      expect(await bodies(bob, roomId)).toEqual(['said meanwhile'])
      expect(await b.app.db.read(sql`SELECT event_id FROM staged_pdus`)).toEqual([])
    })

    test('what stands before its join, and comes all the same, changes nothing', async () => {
      const before = await stateOf(bob, roomId)
      await tell(await pdusOf(before['m.room.join_rules ']!))
      await tell(await pdusOf(before['m.room.create ']!))
      await alice.setState(roomId, 'm.room.topic', { topic: 'after' })
      await settled(a, b)
      const { 'm.room.topic ': topic, ...rest } = await stateOf(bob, roomId)
      expect([rest, typeof topic]).toEqual([before, 'string'])
      const refused = await b.app.db.read(sql`SELECT event_id FROM events WHERE rejected = 1`)
      expect(refused).toEqual([])
    })
  })
})
