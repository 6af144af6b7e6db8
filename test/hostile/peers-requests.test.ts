import { beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson, type JsonObject, type JsonValue } from '../../src/core/json.ts'
import { authorizationHeader } from '../../src/core/sign.ts'
import { sql } from '../../src/db/sql.ts'
import { federationPath } from '../../src/remote/ask-server.ts'
import { pduText } from '../../src/store/pdus.ts'
import { settled } from '../helpers/federation.ts'
import type { Json } from '../helpers/session.ts'
import { peers } from './peers.ts'

const met = peers()
/** One that a is in, and one that it is not. */
let shared: string
let secret: string
let words: string
beforeAll(async () => {
  shared = await met.bob.createRoom({ preset: 'public_chat' })
  await met.alice.post(`/join/${encodeURIComponent(shared)}?via=b.example`)
  secret = await met.bob.createRoom({ preset: 'private_chat' })
  words = await met.bob.send(secret, 'in confidence')
  await settled(met.a, met.b)
})

const SEND = '/_matrix/federation/v1/send/'
let transactions = 0

interface Signed {
  readonly origin?: string
  readonly destination?: string
  readonly uri?: string
  readonly content?: JsonValue
}

/** A transaction of a that is signed for something else than what is sent. */
async function status(signed: Signed, body?: string, header?: string): Promise<number> {
  const uri = `${SEND}request${transactions++}`
  const content: JsonObject = { edus: [], origin: 'a.example', origin_server_ts: 1, pdus: [] }
  const request = { method: 'PUT', uri, origin: 'a.example', destination: 'b.example', content, ...signed }
  const authorization = header ?? authorizationHeader(request, met.a.app.key)
  const headers = { authorization, 'content-type': 'application/json' }
  const reply = await fetch(`${met.b.url}${uri}`, { method: 'PUT', headers, body: body ?? canonicalJson(content) })
  await reply.arrayBuffer()
  return reply.status
}

describe('requests of a bad peer', () => {
  test('S12: count as those of the server that signed just this request, and of no other', async () => {
    expect(await status({})).toBe(200)
    expect(await status({ origin: 'c.example' })).toBe(401)
    expect(await status({ origin: 'b.example' })).toBe(401)
    expect(await status({ destination: 'c.example' })).toBe(401)
    expect(await status({ uri: `${SEND}another` })).toBe(401)
    expect(await status({ content: { pdus: [] } })).toBe(401)
    for (const header of ['', 'Bearer x', 'X-Matrix', 'X-Matrix origin=a.example', `X-Matrix ${'x'.repeat(5_000)}`])
      expect([400, 401]).toContain(await status({}, undefined, header))
  })

  test('S24, S26: that are no JSON, too deep or too long are refused, and the next one is served', async () => {
    expect(await status({}, '{"edus":[],')).toBe(400)
    expect(await status({}, `{"pdus":${'['.repeat(100_000)}`)).toBe(400)
    const deep = `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
    expect([400, 401]).toContain(await status({}, deep))
    expect(await status({}, `{"a":"${'x'.repeat(13 * 1_024 * 1_024)}"}`).catch(() => 413)).toBe(413)
    expect(await status({})).toBe(200)
  })

  test('transactions with more than they may hold are refused whole', async () => {
    const many = (count: number, item: JsonValue) => Array.from({ length: count }, () => item)
    for (const content of [
      { edus: [], pdus: many(51, {}) },
      { edus: many(101, {}), pdus: [] },
      { edus: {}, pdus: [] },
      { edus: [], pdus: 'none' },
    ]) {
      const uri = `${SEND}many${transactions++}`
      const asked = met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content })
      await expect(asked).rejects.toMatchObject({ status: 400 })
    }
  })
})

describe('S15: of a room that it is not in a server reads nothing', () => {
  const ask = (uri: string, content?: JsonValue) =>
    content === undefined
      ? met.network.ask(met.a, 'b.example', { method: 'GET', uri })
      : met.network.ask(met.a, 'b.example', { method: 'POST', uri, content })

  test('by the name of that room', async () => {
    const id = encodeURIComponent(words)
    const asked = [
      ask(federationPath`/v1/event/${words}`),
      ask(`${federationPath`/v1/state/${secret}`}?event_id=${id}`),
      ask(`${federationPath`/v1/state_ids/${secret}`}?event_id=${id}`),
      ask(federationPath`/v1/event_auth/${secret}/${words}`),
      ask(`${federationPath`/v1/backfill/${secret}`}?limit=10&v=${id}`),
      ask(federationPath`/v1/get_missing_events/${secret}`, { earliest_events: [], latest_events: [words] }),
      ask(`${federationPath`/v1/make_join/${secret}/${met.alice.userId}`}?ver=12`),
    ]
    const answers = await Promise.allSettled(asked)
    expect(answers.map((answer) => answer.status === 'rejected' && answer.reason.errcode)).toEqual(
      asked.map(() => 'M_FORBIDDEN'),
    )
  })

  test('nor through a room that it is in', async () => {
    const id = encodeURIComponent(words)
    const read: Json[] = []
    for (const one of [
      ask(`${federationPath`/v1/state/${shared}`}?event_id=${id}`),
      ask(`${federationPath`/v1/state_ids/${shared}`}?event_id=${id}`),
      ask(federationPath`/v1/event_auth/${shared}/${words}`),
      ask(`${federationPath`/v1/backfill/${shared}`}?limit=10&v=${id}`),
      ask(federationPath`/v1/get_missing_events/${shared}`, { earliest_events: [], latest_events: [words], limit: 10 }),
    ])
      read.push(await one.catch(() => ({})))
    expect(
      read.flatMap((answer) => [...(answer.pdus ?? []), ...(answer.events ?? []), ...(answer.pdu_ids ?? [])]),
    ).toEqual([])
    expect(JSON.stringify(read)).not.toContain('in confidence')
  })
})

describe('S14, S17, S18: a server speaks for its own users alone', () => {
  const DEVICE_LIST = { device_id: 'X', stream_id: 1, keys: {}, prev_id: [] }

  test.each([
    ['m.typing', (user: string): JsonValue => ({ room_id: shared, user_id: user, typing: true })],
    [
      'm.presence',
      (user: string): JsonValue => ({ push: [{ user_id: user, presence: 'online', last_active_ago: 1 }] }),
    ],
    ['m.device_list_update', (user: string): JsonValue => ({ ...DEVICE_LIST, user_id: user })],
    ['m.signing_key_update', (user: string): JsonValue => ({ user_id: user, master_key: { keys: {} } })],
    [
      'm.direct_to_device',
      (user: string): JsonValue => ({
        sender: user,
        type: 'x',
        message_id: `m${transactions}`,
        messages: { [met.bob.userId]: { '*': {} } },
      }),
    ],
  ])('%s', async (edu_type, content) => {
    const before = await met.bob.sync()
    for (const user of [met.bob.userId, '@carol:c.example', '@alice:a.example:1', 'alice', '']) {
      const uri = `${SEND}edu${transactions++}`
      const edus = [{ edu_type, content: content(user) }]
      await met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content: { edus, pdus: [] } })
    }
    const after = await met.bob.sync(before)
    expect(after.rooms?.join?.[shared]?.ephemeral?.events ?? []).toEqual([])
    expect([after.to_device?.events ?? [], after.presence?.events ?? [], after.device_lists?.changed ?? []]).toEqual([
      [],
      [],
      [],
    ])
  })

  test('and asks for the devices and keys of ours alone', async () => {
    const uri = federationPath`/v1/user/devices/${'@alice:a.example'}`
    await expect(met.network.ask(met.a, 'b.example', { method: 'GET', uri })).rejects.toMatchObject({ status: 404 })
    const content = { device_keys: { '@alice:a.example': [], '@carol:c.example': [] } }
    const query = '/_matrix/federation/v1/user/keys/query'
    const answer = (await met.network.ask(met.a, 'b.example', { method: 'POST', uri: query, content })) as Json
    expect(Object.values(answer.device_keys ?? {}).flatMap((devices) => Object.keys(devices as Json))).toEqual([])
  })
})

describe('when the disk is full', () => {
  test('a transaction is answered with 503, and taken when it comes again', async () => {
    const { db } = met.b.app
    await met.a.followers.stop()
    const eventId = await met.alice.send(shared, 'x'.repeat(40_000))
    const [row] = await met.a.app.db.read<{ content: string; envelope: string }>(
      sql`SELECT content, envelope FROM events WHERE event_id = ${eventId}`,
    )
    const pdu: JsonValue = JSON.parse(pduText(row!))
    const uri = `${SEND}full-disk`
    const send = () => met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content: { edus: [], pdus: [pdu] } })
    const [pages] = await db.read<{ page_count: number }>(sql`PRAGMA page_count`)
    await db.read({ strings: [`PRAGMA max_page_count = ${pages!.page_count}`], holes: [] })
    await expect(send()).rejects.toMatchObject({ status: 503 })
    await db.read(sql`PRAGMA max_page_count = 1000000`)
    await send()
    await settled(met.b)
    const held = await db.read(sql`SELECT event_id FROM events WHERE event_id = ${eventId} AND rejected = 0`)
    expect(held).toEqual([{ event_id: eventId }])
  })
})
