import { beforeAll, expect, test } from 'vitest'
import type { EventId, RoomId } from '../../../src/core/ids.ts'
import { federationPath } from '../../../src/remote/ask-server.ts'
import { pduOf, pdusById } from '../../../src/store/pdus.ts'
import { eachNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { inRoom, type Json, type Session, sessionOf } from '../../helpers/session.ts'

eachNetwork(['a.example', 'b.example'], (joint) => {
  let network: TestNetwork
  let a: TestServer
  let b: TestServer
  let alice: Session
  let bob: Session
  beforeAll(async () => {
    network = joint.network
    ;[a, b] = joint.servers as [TestServer, TestServer]
    alice = sessionOf(a, await a.register('anna'))
    bob = sessionOf(b, await b.register('ben'))
  })

  async function joined(roomId: string): Promise<void> {
    await bob.post(`/join/${encodeURIComponent(roomId)}?via=a.example`)
    await settled(a, b)
  }

  /** What Bob sees of the room on b, which has to fetch it, oldest first. */
  async function history(roomId: string): Promise<Json[]> {
    const events: Json[] = []
    for (let from = ''; ; ) {
      const page = await bob.get(`${inRoom(roomId)}/messages?dir=b&limit=100${from}`)
      events.unshift(...page.chunk.reverse())
      if (page.end === undefined) return events
      from = `&from=${page.end}`
    }
  }

  const redact = (roomId: string, eventId: string) =>
    alice.put(`${inRoom(roomId)}/redact/${encodeURIComponent(eventId)}/r${eventId.slice(1, 9)}`)
  const stateIds = async (from: TestServer, of: string, roomId: string, eventId: string): Promise<string[]> => {
    const uri = `${federationPath`/v1/state_ids/${roomId}`}?event_id=${encodeURIComponent(eventId)}`
    const answer = (await network.ask(from, of, { method: 'GET', uri })) as Json
    return answer.pdu_ids.sort()
  }

  test('earlier history has the state and the visibility of its time', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat', name: 'First' })
    const visible = (to: string) => alice.setState(roomId, 'm.room.history_visibility', { history_visibility: to })
    const first = await alice.send(roomId, 'for all who come')
    await visible('joined')
    const hidden = await alice.send(roomId, 'for those who are here')
    await alice.setState(roomId, 'm.room.name', { name: 'Second' })
    await visible('shared')
    const last = await alice.send(roomId, 'for all again')
    await joined(roomId)
    const seen = (await history(roomId)).map((event) => event.event_id)
    expect(seen).toEqual(expect.arrayContaining([first, last]))
    expect(seen).not.toContain(hidden)
    for (const eventId of [first, last])
      expect(await stateIds(a, 'b.example', roomId, eventId)).toEqual(await stateIds(b, 'a.example', roomId, eventId))
    const context = await bob.get(`${inRoom(roomId)}/context/${encodeURIComponent(first)}?limit=0`)
    expect(context.state.find((event: Json) => event.type === 'm.room.name').content).toEqual({ name: 'First' })
  })

  test('a page without changes of state asks for no state', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    for (let n = 0; n < 5; n++) await alice.send(roomId, `message ${n}`)
    await joined(roomId)
    let newest = true
    // The server gives little at a time: the newest two are messages.
    network.rewrite((request, answer) => {
      if (!newest || !request.uri.includes('/backfill/')) return answer
      newest = false
      const told = JSON.parse(String(answer.body))
      return { ...answer, body: Buffer.from(JSON.stringify({ ...told, pdus: told.pdus.slice(0, 2) })) }
    })
    const before = network.carried.length
    await bob.get(`${inRoom(roomId)}/messages?dir=b&limit=2`)
    const { chunk } = await bob.get(`${inRoom(roomId)}/messages?dir=b&limit=3`)
    network.rewrite((_request, answer) => answer)
    expect(newest).toBe(false)
    expect(network.carried.slice(before).filter(({ uri }) => uri.includes('/state'))).toEqual([])
    const [eventId] = chunk.map((event: Json) => event.event_id).slice(-1)
    expect(await stateIds(a, 'b.example', roomId, eventId)).toEqual(await stateIds(b, 'a.example', roomId, eventId))
  })

  test('what is redacted is so in whatever order both come', async () => {
    const roomId = (await alice.createRoom({ preset: 'public_chat' })) as RoomId
    const [early, late] = [await alice.send(roomId, 'soon redacted'), await alice.send(roomId, 'redacted later')]
    const whole = new Map((await pdusById(a.app.db, [early, late])).map((row) => [row.event_id, pduOf(row)]))
    const redaction = await redact(roomId, early)
    await joined(roomId)
    const later = await redact(roomId, late)
    await settled(a, b)
    // As a server would give them that has not heard of the redactions.
    network.rewrite((request, answer) => {
      if (!request.uri.includes('/backfill/')) return answer
      const told = JSON.parse(String(answer.body))
      const byHash = new Map([...whole.values()].map((pdu: Json) => [pdu.hashes.sha256, pdu]))
      const pdus = told.pdus.map((pdu: Json) => byHash.get(pdu.hashes.sha256) ?? pdu)
      return { ...answer, body: Buffer.from(JSON.stringify({ ...told, pdus })) }
    })
    const events = await history(roomId)
    network.rewrite((_request, answer) => answer)
    const shown = (eventId: string) => {
      const event = events.find((one) => one.event_id === eventId)
      return [event?.content, event?.unsigned?.redacted_by]
    }
    expect([shown(early), shown(late)]).toEqual([
      [{}, redaction.event_id],
      [{}, later.event_id],
    ])
    const rows = await pdusById(b.app.db, [early, late] as EventId[])
    expect(rows.map((row) => row.content)).toEqual(['{}', '{}'])
  })
})
