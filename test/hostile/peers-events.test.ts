import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startInbox } from '../../src/actions/federation/receive-transaction.ts'
import type { RoomId } from '../../src/core/ids.ts'
import { type JsonObject, type JsonValue, rawNumber } from '../../src/core/json.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { KEY_AGE_MAX_MS } from '../../src/core/server-keys.ts'
import { sql, textList } from '../../src/db/sql.ts'
import { federationPath } from '../../src/remote/ask-server.ts'
import { settled } from '../helpers/federation.ts'
import type { Json } from '../helpers/session.ts'
import { idOf, peers, signedAgain } from './peers.ts'

const met = peers()
const VERSION = roomVersion('10')!
let roomId: string
/** A message of alice's that b has. */
let model: Json
beforeAll(async () => {
  roomId = await met.alice.createRoom({ room_version: VERSION.id, preset: 'public_chat' })
  await met.bob.post(`/join/${encodeURIComponent(roomId)}?via=a.example`)
  await settled(met.a, met.b)
  const eventId = await met.alice.send(roomId, 'model')
  await settled(met.a, met.b)
  const uri = federationPath`/v1/event/${eventId}`
  model = ((await met.network.ask(met.b, 'a.example', { method: 'GET', uri })) as Json).pdus[0]
  // From here on a says by hand what it says.
  await met.a.followers.stop()
})
afterEach(() => met.network.rewrite((_request, answer) => answer))

let transactions = 0
let messages = 0
async function tell(pdus: readonly JsonValue[], txnId = `hostile${transactions++}`): Promise<Json> {
  const uri = federationPath`/v1/send/${txnId}`
  const content = { edus: [], origin: 'a.example', origin_server_ts: Date.now(), pdus }
  const answer = await met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content })
  await settled(met.b)
  return answer
}

const message = (changes: Readonly<Record<string, JsonValue | undefined>> = {}) =>
  signedAgain(met, VERSION, model, {
    content: { body: `message ${messages++}` },
    origin_server_ts: Date.now(),
    ...changes,
  })

/** Whether b holds the event as one that counts. */
async function accepted(pdu: JsonObject): Promise<boolean> {
  const id = idOf(VERSION, pdu)
  const rows = await met.b.app.db.read(sql`SELECT event FROM events WHERE event_id = ${id}
    AND rejected = 0 AND soft_failed = 0`)
  return rows.length > 0
}

const unsigned = ({ signatures: _, ...pdu }: JsonObject): JsonObject => pdu
const forged = (pdu: JsonObject): JsonObject => {
  const [key] = Object.keys((pdu.signatures as Json)['a.example'])
  return { ...pdu, signatures: { 'a.example': { [key!]: 'A'.repeat(86) } } }
}
const ofAnother = (pdu: JsonObject): JsonObject => ({ ...pdu, signatures: { 'c.example': pdu.signatures! } })
const byNoKey = (pdu: JsonObject): JsonObject => ({
  ...pdu,
  signatures: { 'a.example': { 'ed25519:none': Object.values((pdu.signatures as Json)['a.example'])[0] as string } },
})
const SPOILERS = { unsigned, forged, ofAnother, byNoKey }

describe('S3: an event without a signature that verifies gets in by no way', () => {
  test.each(Object.entries(SPOILERS))('by a transaction: %s', async (_name, spoil) => {
    const bad = spoil(message())
    const good = message()
    const answer = await tell([bad, good])
    expect(answer.pdus[idOf(VERSION, bad)]).not.toEqual({})
    expect(answer.pdus[idOf(VERSION, good)]).toEqual({})
    expect([await accepted(bad), await accepted(good)]).toEqual([false, true])
  })

  test.each(Object.entries(SPOILERS))('by a question for what is missing: %s', async (_name, spoil) => {
    const missing = message()
    const bad = spoil(missing)
    const last = message({ prev_events: [idOf(VERSION, missing)] })
    met.network.rewrite((request, answer) => {
      if (!/get_missing_events|\/event\/|\/state/.test(request.uri)) return answer
      const given = { events: [bad], pdus: [bad], auth_chain: [bad], pdu_ids: [idOf(VERSION, bad)], auth_chain_ids: [] }
      return { status: 200, body: Buffer.from(JSON.stringify(given)) }
    })
    await tell([last])
    expect([await accepted(bad), await accepted(last)]).toEqual([false, false])
  })

  test('by the state that a join is answered with', async () => {
    const other = await met.alice.createRoom({ preset: 'public_chat', name: 'True' })
    met.network.rewrite((request, answer) => {
      if (!request.uri.includes('/send_join/')) return answer
      const body = JSON.parse(answer.body.toString())
      for (const pdu of body.state) if (pdu.type === 'm.room.name') pdu.signatures['a.example'] = {}
      return { status: 200, body: Buffer.from(JSON.stringify(body)) }
    })
    await met.bob.post(`/join/${encodeURIComponent(other)}?via=a.example`)
    const name = await met.bob.call('GET', `/rooms/${encodeURIComponent(other)}/state/m.room.name/`)
    expect(name.status).toBe(404)
  })
})

describe('S4: a signature counts as long as its key did', () => {
  test('to the millisecond, before and after', async () => {
    const now = met.b.app.clock.now()
    const [key] = (await met.b.app.db.read(sql`SELECT valid_until_ts AS until, fetched_ts AS fetched FROM server_keys
      WHERE server = 'a.example'`)) as { until: number; fetched: number }[]
    const last = Math.min(key!.until, key!.fetched + KEY_AGE_MAX_MS)
    // No newer answer makes the key good for longer.
    met.network.rewrite((request, answer) =>
      request.uri.startsWith('/_matrix/key/') ? { status: 404, body: Buffer.from('{}') } : answer,
    )
    expect(last).toBeGreaterThan(now)
    const inTime = message({ origin_server_ts: last })
    const late = message({ origin_server_ts: last + 1 })
    await tell([inTime, late])
    expect([await accepted(inTime), await accepted(late)]).toEqual([true, false])
  })
})

describe('what a bad peer puts into a transaction', () => {
  test('S7, S8: what the rules refuse is refused for good, also for what rests on it', async () => {
    const crown = signedAgain(met, VERSION, model, {
      type: 'm.room.power_levels',
      state_key: '',
      sender: '@stranger:a.example',
      content: { users: { '@stranger:a.example': 100 } },
    })
    await tell([crown])
    const heir = message({ auth_events: [...model.auth_events, idOf(VERSION, crown)] })
    await tell([crown, heir])
    expect([await accepted(crown), await accepted(heir)]).toEqual([false, false])
    const levels = await met.bob.get(`/rooms/${encodeURIComponent(roomId)}/state/m.room.power_levels/`)
    expect(levels.users).toEqual({ [met.alice.userId]: 100 })
  })

  test('S7: nor does an event of another room lend authority', async () => {
    const other = await met.alice.createRoom({ room_version: VERSION.id, preset: 'public_chat' })
    await met.bob.post(`/join/${encodeURIComponent(other)}?via=a.example`)
    const state: Json[] = await met.bob.get(`/rooms/${encodeURIComponent(other)}/state`)
    const levels = state.find((event) => event.type === 'm.room.power_levels')!.event_id
    const foreign = message({ auth_events: [model.auth_events[0], levels] })
    await tell([foreign])
    expect(await accepted(foreign)).toBe(false)
  })

  test('S11: neither depth, nor many predecessors, nor deep or long JSON does harm', async () => {
    const unknown = Array.from({ length: 21 }, (_, index) => `$${String(index).padStart(43, 'A')}`)
    let deep: JsonValue = 1
    for (let level = 0; level < 5_000; level++) deep = [deep]
    const odd = [
      message({ prev_events: unknown }),
      message({ depth: Number.MAX_SAFE_INTEGER }),
      message({ depth: 0 }),
      message({ content: { body: 'x'.repeat(70_000) } }),
      message({ prev_events: [] }),
    ]
    const after = message()
    await tell([...odd, { ...after, content: { deep } }, null, 7, [], {}, { room_id: roomId }])
    expect(await Promise.all([odd[0]!, odd[3]!].map(accepted))).toEqual([false, false])
    await tell([after])
    expect(await accepted(after)).toBe(true)
    // And the room is as good as before for who is in it.
    const sent = await met.bob.send(roomId, 'still here')
    expect(sent).toMatch(/^\$/)
  })

  test.each(['1', '4'])('S11: numbers that room version %s lets pass, and no database, keep nobody out', async (v) => {
    const version = roomVersion(v)!
    const old = await met.alice.createRoom({ room_version: v, preset: 'public_chat' })
    await met.bob.post(`/join/${encodeURIComponent(old)}?via=a.example`)
    const like = await met.alice.send(old, 'model')
    const uri = federationPath`/v1/event/${like}`
    const [first] = ((await met.network.ask(met.b, 'a.example', { method: 'GET', uri })) as Json).pdus
    const say = (changes: Readonly<Record<string, JsonValue>>) =>
      signedAgain(met, version, first, {
        ...(v === '1' ? { event_id: `$${messages}:a.example` } : {}),
        content: { body: `message ${messages++}` },
        ...changes,
      })
    const [most, least] = [rawNumber('9223372036854775807'), rawNumber('-9223372036854775808')]
    const said = [{ depth: most }, { origin_server_ts: most }, { origin_server_ts: least }, {}].map(say)
    await tell(said)
    const ids = said.map((pdu) => idOf(version, pdu))
    const rows = await met.b.app.db.read(sql`SELECT event_id FROM events WHERE event_id IN ${textList(ids)}
      AND rejected = 0 AND soft_failed = 0`)
    expect(rows).toHaveLength(4)
    expect(await met.b.app.db.read(sql`SELECT event_id FROM staged_pdus`)).toEqual([])
    expect(await met.bob.send(old, 'still here')).toMatch(/^\$/)
  })

  test('one at which we fail ourselves costs none of the others', async () => {
    const said = [message(), message({ content: { body: 'poison' } }), message()]
    const { commit } = met.b.app.db
    met.b.app.db.commit = (batch) =>
      JSON.stringify(batch.writes).includes('poison') && !JSON.stringify(batch.writes).includes('INTO staged_pdus')
        ? Promise.reject(new TypeError('planted'))
        : commit(batch)
    try {
      await tell(said)
      expect(await Promise.all(said.map(accepted))).toEqual([true, false, true])
    } finally {
      met.b.app.db.commit = commit
    }
    // It was not lost.
    await startInbox(met.b.app, roomId as RoomId)
    expect(await accepted(said[1]!)).toBe(true)
  })

  test('the same transaction again has the same answer, and no other effect', async () => {
    const first = await tell([message()], 'replayed')
    const other = message()
    expect(await tell([other], 'replayed')).toEqual(first)
    expect(await accepted(other)).toBe(false)
  })

  test('S12: an event of a room that b is not in, or of no room', async () => {
    const elsewhere = message({ room_id: '!elsewhere:a.example' })
    const nowhere = message({ room_id: 'nowhere' })
    await tell([elsewhere, nowhere])
    expect([await accepted(elsewhere), await accepted(nowhere)]).toEqual([false, false])
  })
})
