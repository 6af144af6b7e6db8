import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/core/json.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { sql } from '../../src/db/sql.ts'
import { federationPath, Refused } from '../../src/remote/ask-server.ts'
import type { Json } from '../helpers/session.ts'
import { idOf, peers, signedAgain } from './peers.ts'

const met = peers()
const VERSION = roomVersion('10')!
/** Hundreds of requests, also on a busy machine. */
const LONG = { timeout: 120_000 }

/** A change of one thing in a good invite. */
interface Mutation {
  readonly name: string
  readonly event?: Readonly<Record<string, JsonValue | undefined>>
  readonly roomId?: string
  readonly eventId?: string
  readonly version?: string
  /** After it was signed. */
  readonly spoil?: (pdu: JsonObject) => JsonObject
}

const content = (membership: JsonValue) => ({ content: { membership } })
const MUTATIONS: readonly Mutation[] = [
  ...['join', 'leave', 'ban', 'knock', 'INVITE', '', 7, null, ['invite']].map((membership) => ({
    name: `membership ${JSON.stringify(membership)}`,
    event: content(membership),
  })),
  ...['m.room.power_levels', 'm.room.message', 'm.room.create', 'm.room.member2'].map((type) => ({
    name: type,
    event: { type },
  })),
  ...['@alice:a.example', '@nobody:b.example', '@bob:b.example:8448', 'bob', '', '@bob:B.example'].map((user) => ({
    name: `for ${user}`,
    event: { state_key: user },
  })),
  { name: 'no state event', event: { state_key: undefined } },
  ...['@bob:b.example', '@carol:c.example', '@alice:a.example:1', 'alice'].map((sender) => ({
    name: `by ${sender}`,
    event: { sender },
  })),
  { name: 'another room than the path', event: { room_id: '!other:a.example' } },
  { name: 'another path than the room', roomId: '!elsewhere:a.example' },
  { name: 'another id in the path', eventId: `$${'A'.repeat(43)}` },
  { name: 'no room version', version: 'none' },
  { name: 'another room version', version: '1' },
  { name: 'no content', event: { content: undefined } },
  { name: 'no predecessors', event: { prev_events: 'none' } },
  { name: 'a wrong depth', event: { depth: -1 } },
  { name: 'no signature', spoil: ({ signatures: _, ...pdu }) => pdu },
  { name: 'a forged signature', spoil: (pdu) => ({ ...pdu, signatures: { 'a.example': { 'ed25519:x': 'AAAA' } } }) },
  { name: 'the signature of another', spoil: (pdu) => ({ ...pdu, signatures: { 'c.example': pdu.signatures! } }) },
  { name: 'too much', event: { content: { membership: 'invite', reason: 'x'.repeat(70_000) } } },
]

async function goodInvite(): Promise<{ content: Json; roomId: string }> {
  const roomId = await met.alice.createRoom({ room_version: VERSION.id, invite: [met.bob.userId] })
  const request = met.network.carried.findLast(({ uri }) => uri.includes('/v2/invite/'))!
  return { content: JSON.parse(request.body!), roomId }
}

/** Sends it, and resolves with what b signed, or the status of its refusal. */
async function send(good: Json, roomId: string, mutations: readonly Mutation[]): Promise<JsonObject | number> {
  const changed: Mutation = Object.assign({}, ...mutations)
  const changes = Object.assign({}, ...mutations.map(({ event }) => event))
  const signed = signedAgain(met, VERSION, good.event, changes)
  const event = changed.spoil?.(signed) ?? signed
  const uri = federationPath`/v2/invite/${changed.roomId ?? roomId}/${changed.eventId ?? idOf(VERSION, event)}`
  const body = { ...good, event, room_version: changed.version ?? VERSION.id }
  try {
    return await met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content: body })
  } catch (error) {
    if (error instanceof Refused) return error.status
    throw error
  }
}

describe('invites of a bad peer', () => {
  test('S1, S12: whatever is changed, nothing but an invite of our user by theirs is ever signed', LONG, async () => {
    const { content: good, roomId } = await goodInvite()
    const answers = new Map<string, JsonObject | number>()
    for (const [index, first] of MUTATIONS.entries()) {
      answers.set(first.name, await send(good, roomId, [first]))
      for (const second of MUTATIONS.slice(index + 1, index + 7))
        answers.set(`${first.name}, ${second.name}`, await send(good, roomId, [first, second]))
    }
    expect(answers.size).toBeGreaterThan(200)
    const wrong = [...answers].filter(([, answer]) => typeof answer !== 'number' || answer >= 500)
    expect(wrong).toEqual([])
    // Unchanged it is taken: what was refused was refused for its change.
    expect(await send(good, roomId, [])).toMatchObject({ event: { state_key: met.bob.userId } })
  })

  test('S22: stripped state of any shape leaves the syncs of the invited user whole', async () => {
    const { content: good, roomId } = await goodInvite()
    const shapes: JsonValue[] = [
      null,
      7,
      'x',
      {},
      [null, 7, 'x', [], {}],
      [{ type: 7, state_key: '', sender: '@alice:a.example', content: {} }],
      [{ type: 'm.room.name', state_key: null, sender: 'x', content: { name: { a: 1 } } }],
      [{ type: 'm.room.name', state_key: '', sender: '@alice:a.example', content: 'name' }],
      [
        {
          type: 'm.room.create',
          state_key: '',
          sender: '@alice:a.example',
          content: JSON.parse('{"__proto__":{"a":1}}'),
        },
      ],
      Array.from({ length: 500 }, (_, index) => ({
        type: `x${index}`,
        state_key: '',
        sender: '@alice:a.example',
        content: {},
      })),
    ]
    for (const invite_room_state of shapes) {
      await send({ ...good, invite_room_state }, roomId, [])
      const sync = await met.bob.sync()
      expect(Object.keys(sync.rooms.invite)).toContain(roomId)
    }
  })

  test('S22: from room version 12 on, what shows the room is events of it, or the invite is refused', async () => {
    const version = roomVersion('12')!
    const roomId = await met.alice.createRoom({ room_version: version.id, name: 'Tea', invite: [met.bob.userId] })
    await met.alice.createRoom({ room_version: version.id, invite: [met.bob.userId] })
    const [good, other] = met.network.carried
      .filter(({ uri }) => uri.includes('/v2/invite/'))
      .map(({ body }) => JSON.parse(body!) as Json)
      .slice(-2)
    const uri = federationPath`/v2/invite/${roomId}/${idOf(version, good.event)}`
    const send = (invite_room_state: JsonValue | undefined) => {
      const content = { ...good, ...(invite_room_state === undefined ? {} : { invite_room_state }) }
      return met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content })
    }
    const events: Json[] = good.invite_room_state
    const stripped = ({ type, state_key, sender, content }: Json): Json => ({ type, state_key, sender, content })
    const isCreate = ({ type }: Json) => type === 'm.room.create'
    const wrong: Record<string, Json> = {
      nothing: [],
      'no list': 'x',
      'without the create event': events.filter((event) => !isCreate(event)),
      'stripped state': events.map(stripped),
      'an event of another room': [...events, other.invite_room_state.find((event: Json) => !isCreate(event))],
      'the creation of another room': other.invite_room_state.filter(isCreate),
      'a signature that does not hold': events.map((event) =>
        isCreate(event) ? event : { ...event, content: { ...event.content, name: 'x' }, depth: 99 },
      ),
    }
    for (const [name, state] of Object.entries(wrong))
      await expect(send(state), name).rejects.toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
    await expect(send(events)).resolves.toMatchObject({ event: { state_key: met.bob.userId } })
  })

  test('S1: neither is anything signed that is no event at all', async () => {
    const uri = federationPath`/v2/invite/${'!room:a.example'}/${'$event'}`
    for (const event of [null, 7, [], {}, { type: 'm.room.member' }, undefined]) {
      const content = { invite_room_state: [], room_version: '10', ...(event === undefined ? {} : { event }) }
      const asked = met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content })
      await expect(asked).rejects.toMatchObject({ status: 400 })
    }
    const rooms = await met.b.app.db.read(sql`SELECT room_id FROM rooms WHERE room_id = '!room:a.example'`)
    expect(rooms).toEqual([])
  })
})
