import { builtFrom, membershipTemplate } from '../../src/actions/memberships/membership-template.ts'
import type { App } from '../../src/app.ts'
import { buildEvent, type Event, parseEvent } from '../../src/core/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../../src/core/json.ts'
import type { RoomVersion } from '../../src/core/room-version.ts'
import { publishedKeys } from '../../src/core/server-keys.ts'
import { signPdu } from '../../src/core/sign.ts'
import { askServer, federationPath } from '../../src/remote/ask-server.ts'
import type { ServerRequest } from '../../src/remote/transport.ts'
import type { Dice } from '../core/state/dice.ts'
import type { Answer } from './network.ts'
import { keyOf, type Surroundings } from './server.ts'

export const LIAR = 'd.example' as ServerName
export const DAVE = '@dave:d.example' as UserId
const KEY_AGE_MS = 24 * 3_600_000

/** A server in the room whose word is worth nothing. It has a key, a memory and no scruples. */
export interface Liar {
  /** What it was sent, and what it made up, in the order in which it came. */
  readonly known: Map<EventId, Event>
  join(by: string): Promise<void>
  /** Tells each of these servers something of its own choice. */
  lie(servers: readonly string[]): Promise<string>
  /** An event as of long ago, when its user was still welcome. */
  evasion(): Event
  tell(server: string, pdus: readonly JsonObject[]): Promise<void>
}

export interface LiarsRoom {
  readonly version: RoomVersion
  readonly roomId: RoomId
}

export function createLiar(around: Surroundings, dice: Dice, room: LiarsRoom, memory: Iterable<Event>): Liar {
  const { version, roomId } = room
  const key = keyOf(LIAR)
  const world = around.time.process(around.seed)
  const app = { serverName: LIAR, key, clock: world.clock, remote: { transport: around.network.transportOf(LIAR) } }
  const known = new Map([...memory].map((event) => [event.eventId, event]))
  const atFirst = [...known.values()]
  let told = 0
  around.network.peers.set(LIAR, async (request) => answer(request))

  async function tell(server: string, pdus: readonly JsonObject[]): Promise<void> {
    const uri = federationPath`/v1/send/${`${around.time.now()}-${told++}`}`
    const content = { edus: [], origin: LIAR, origin_server_ts: around.time.now(), pdus }
    // Whether it is believed is no concern of its own.
    await askServer(app as unknown as App, server as ServerName, { method: 'PUT', uri, content }).catch(() => undefined)
  }

  function remember(pdu: JsonValue): void {
    try {
      const event = parseEvent(version, pdu as JsonObject)
      known.set(event.eventId, event)
    } catch {
      // Its own inventions come back to it, too.
    }
  }

  function answer({ uri, body }: ServerRequest): Answer | undefined {
    const json = (value: JsonValue, status = 200) => ({ status, body: Buffer.from(JSON.stringify(value)) })
    if (uri.startsWith('/_matrix/key/')) return json(publishedKeys(LIAR, key, [], around.time.now() + KEY_AGE_MS))
    const content = body === undefined ? {} : (parseJson(body) as JsonObject)
    if (uri.startsWith('/_matrix/federation/v1/send/')) {
      for (const pdu of own(content, 'pdus') as readonly JsonValue[]) remember(pdu)
      return json({ pdus: {} })
    }
    const event = own(content, 'event')
    if (uri.startsWith('/_matrix/federation/v2/invite/') && isObject(event)) {
      remember(event)
      return json({ event: signPdu(version, event, LIAR, key) })
    }
    const some = () => dice.shuffle([...known.values()]).slice(0, 5)
    const pdus = some().map(({ pdu }) => pdu)
    const ids = some().map(({ eventId }) => eventId)
    return dice.pick([
      undefined,
      json({ errcode: 'M_NOT_FOUND', error: 'never heard of it' }, 404),
      { status: 200, body: Buffer.from('no JSON at all') },
      json({ events: pdus, pdus, auth_chain: pdus, pdu_ids: ids, auth_chain_ids: ids }),
      json({ events: 7, pdus: [null, {}, []], auth_chain: 'no', pdu_ids: [7, 'x'], auth_chain_ids: {} }),
    ])
  }

  const authorityAmong = (events: readonly Event[]) => {
    const latest = (type: string, stateKey: string) =>
      events.findLast((event) => event.type === type && event.stateKey === stateKey)?.eventId
    const named = [latest('m.room.power_levels', ''), latest('m.room.member', DAVE)]
    if (!version.roomIdIsCreateHash) named.push(latest('m.room.create', ''))
    return named.filter((id) => id !== undefined)
  }

  interface Lie {
    readonly type?: string
    readonly stateKey?: string | null
    readonly content?: JsonObject
    readonly sender?: UserId
    readonly prevEvents?: readonly EventId[]
    readonly authEvents?: readonly EventId[]
    readonly depth?: number
  }

  function made(lie: Lie = {}): Event {
    const newest = [...known.values()].at(-1)
    const event = buildEvent(
      version,
      {
        roomId,
        type: 'm.room.message',
        stateKey: null,
        sender: DAVE,
        content: { body: `lie ${told++}` },
        originServerTs: around.time.now(),
        depth: (newest?.depth ?? 1) + 1,
        prevEvents: newest === undefined ? [] : [newest.eventId],
        authEvents: authorityAmong([...known.values()]),
        ...lie,
      },
      LIAR,
      key,
    )
    known.set(event.eventId, event)
    return event
  }

  const older = () => dice.pick([...known.keys()].slice(-10))
  const topic = (text: string) => ({ type: 'm.room.topic', stateKey: '', content: { topic: text } })
  const member = (userId: string, membership: string) => ({
    type: 'm.room.member',
    stateKey: userId,
    content: { membership },
  })
  const unknown = `$${'A'.repeat(43)}` as EventId
  /** Each gives what all are told; two: what one half is told and what the other. */
  const LIES: Readonly<Record<string, () => readonly JsonObject[]>> = {
    fork: () => [made({ prevEvents: [older()] }).pdu],
    'old topic': () => [made({ ...topic(`old ${told}`), prevEvents: [older()] }).pdu],
    'two topics': () => [made(topic(`one ${told}`)).pdu, made(topic(`other ${told}`)).pdu],
    'two truths': () => [made().pdu, made().pdu],
    'many ends': () => [made({ prevEvents: [...new Set([older(), older(), older()])] }).pdu],
    kick: () => [made(member(dice.pick(['@alice:a.example', '@ben:b.example', '@carol:c.example']), 'leave')).pdu],
    ban: () => [made({ ...member('@cid:c.example', 'ban'), prevEvents: [older()] }).pdu],
    crown: () => [made({ type: 'm.room.power_levels', stateKey: '', content: { users: { [DAVE]: 100 } } }).pdu],
    'strange depth': () => [made({ depth: dice.pick([0, 1, Number.MAX_SAFE_INTEGER]) }).pdu],
    'no authority': () => [made({ authEvents: [] }).pdu],
    'wrong authority': () => [made({ authEvents: [older(), older()] }).pdu],
    'unknown authority': () => [made({ authEvents: [unknown] }).pdu],
    'unknown past': () => [made({ prevEvents: [unknown] }).pdu],
    'in the name of others': () => [made({ sender: '@alice:a.example' as UserId }).pdu],
    'forged signature': () => [{ ...made().pdu, signatures: { [LIAR]: { [key.keyId]: 'A'.repeat(86) } } }],
    unsigned: () => [{ ...made().pdu, signatures: {} }],
    'altered after signing': () => [{ ...made().pdu, content: { body: 'altered' } }],
    'no event': () => [{ room_id: roomId, type: 'm.room.message' }],
    'too long': () => [{ ...made().pdu, content: { body: 'x'.repeat(70_000) } }],
    hearsay: () => [known.get(older())!.pdu],
  }

  return {
    known,
    tell,
    async join(by) {
      const wish = { roomId, userId: DAVE, membership: 'join' } as const
      const template = await membershipTemplate(app as unknown as App, by as ServerName, wish)
      const event = builtFrom(app as unknown as App, template, wish, {})
      const uri = federationPath`/v2/send_join/${roomId}/${event.eventId}`
      const answered = await askServer(app as unknown as App, by as ServerName, {
        method: 'PUT',
        uri,
        content: event.pdu,
      })
      for (const part of ['auth_chain', 'state'])
        for (const pdu of (own(answered, part) ?? []) as readonly JsonValue[]) remember(pdu)
      known.set(event.eventId, event)
    },
    async lie(servers) {
      const name = dice.pick(Object.keys(LIES))
      const versions = LIES[name]!()
      const hearers = servers.filter(() => dice.below(3) > 0)
      await Promise.all(hearers.map((server, index) => tell(server, [versions[index % versions.length]!])))
      return name
    },
    evasion: () => made({ prevEvents: [atFirst.at(-1)!.eventId], authEvents: authorityAmong(atFirst) }),
  }
}
