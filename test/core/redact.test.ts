import { describe, expect, test } from 'vitest'
import { type JsonObject, own, parseJson } from '../../src/core/json.ts'
import { redactPdu } from '../../src/core/redact.ts'
import { ROOM_VERSIONS } from '../../src/core/room-version.ts'

const VERSIONS = [...ROOM_VERSIONS.values()]
/** The letters of the algorithms, one for each version. */
const ALGORITHM = ['A', 'A', 'A', 'A', 'A', 'B', 'B', 'C', 'D', 'D', 'E', 'E']

const KEPT_ALWAYS = [
  'auth_events',
  'content',
  'depth',
  'event_id',
  'hashes',
  'origin_server_ts',
  'prev_events',
  'room_id',
  'sender',
  'signatures',
  'state_key',
  'type',
]

/** For each type the kept keys of content by algorithm. */
const KEPT: Record<string, Record<string, readonly string[]>> = {
  'm.room.member': {
    A: ['membership'],
    B: ['membership'],
    C: ['membership'],
    D: ['join_authorised_via_users_server', 'membership'],
    E: ['join_authorised_via_users_server', 'membership', 'third_party_invite'],
  },
  'm.room.create': { A: ['creator'], B: ['creator'], C: ['creator'], D: ['creator'] },
  'm.room.join_rules': {
    A: ['join_rule'],
    B: ['join_rule'],
    C: ['allow', 'join_rule'],
    D: ['allow', 'join_rule'],
    E: ['allow', 'join_rule'],
  },
  'm.room.power_levels': Object.fromEntries(
    ['A', 'B', 'C', 'D', 'E'].map((letter) => [
      letter,
      [
        ...['ban', 'events', 'events_default', ...(letter === 'E' ? ['invite'] : []), 'kick', 'redact'],
        ...['state_default', 'users', 'users_default'],
      ],
    ]),
  ),
  'm.room.aliases': { A: ['aliases'], B: [], C: [], D: [], E: [] },
  'm.room.history_visibility': Object.fromEntries(
    ['A', 'B', 'C', 'D', 'E'].map((letter) => [letter, ['history_visibility']]),
  ),
  'm.room.redaction': { A: [], B: [], C: [], D: [], E: ['redacts'] },
  'm.room.message': { A: [], B: [], C: [], D: [], E: [] },
  'm.room.third_party_invite': { A: [], B: [], C: [], D: [], E: [] },
  constructor: { A: [], B: [], C: [], D: [], E: [] },
}

/** Every key that some type keeps, and some that none does. */
const EVERY_KEY = [
  ...['membership', 'join_authorised_via_users_server', 'creator', 'join_rule', 'allow', 'ban', 'events'],
  ...['events_default', 'kick', 'redact', 'state_default', 'users', 'users_default', 'invite', 'aliases'],
  ...['history_visibility', 'redacts', 'notifications', 'displayname', 'body', 'constructor', 'public_key'],
]
const FULL_CONTENT: JsonObject = {
  ...Object.fromEntries(EVERY_KEY.map((key) => [key, { of: key }])),
  third_party_invite: { display_name: 'x', signed: { token: 't' } },
}

describe.each(VERSIONS.map((version, at) => [version.id, version, ALGORITHM[at] ?? ''] as const))(
  'S13: room version %s',
  (id, version, letter) => {
    test('keeps the top-level keys of its list', () => {
      const extra = ['membership', 'origin', 'prev_state', 'redacts', 'unsigned', 'x', 'constructor']
      const pdu = Object.fromEntries([...KEPT_ALWAYS, ...extra].map((key) => [key, key]))
      const historic = ['membership', 'origin', 'prev_state']
      const kept = Number(id) <= 10 ? [...KEPT_ALWAYS, ...historic] : KEPT_ALWAYS
      expect(Object.keys(redactPdu(version, pdu)).sort()).toEqual([...kept].sort())
    })

    test.each(Object.keys(KEPT))('keeps of the content of %s the keys of its list', (type) => {
      const content = own(redactPdu(version, { type, content: FULL_CONTENT }), 'content') as JsonObject
      const kept = KEPT[type]?.[letter] ?? Object.keys(FULL_CONTENT)
      expect(Object.keys(content).sort()).toEqual([...kept].sort())
      for (const key of kept) {
        if (key !== 'third_party_invite' || type === 'm.room.create')
          expect(own(content, key)).toBe(own(FULL_CONTENT, key))
      }
    })

    test('needs neither content nor type', () => {
      expect(redactPdu(version, {})).toEqual({})
      expect(redactPdu(version, { content: { a: 1 } })).toEqual({ content: {} })
      expect(redactPdu(version, { type: 'm.room.member', content: 'x' })).toEqual({
        type: 'm.room.member',
        content: {},
      })
    })
  },
)

test('version 11 keeps of a third-party invite what is signed', () => {
  const version = ROOM_VERSIONS.get('11')!
  const redacted = (invite: JsonObject | string) =>
    own(redactPdu(version, { type: 'm.room.member', content: { third_party_invite: invite } }), 'content')
  expect(redacted({ display_name: 'x', signed: { a: 1 } })).toEqual({ third_party_invite: { signed: { a: 1 } } })
  expect(redacted({ display_name: 'x' })).toEqual({ third_party_invite: {} })
  expect(redacted('x')).toEqual({})
})

test('hostile keys are dropped like any other', () => {
  const pdu = parseJson('{"__proto__":{"type":"m.room.create"},"type":"__proto__","content":{"__proto__":1}}')
  for (const version of VERSIONS) {
    expect(Object.entries(redactPdu(version, pdu as JsonObject))).toEqual([
      ['type', '__proto__'],
      ['content', {}],
    ])
  }
})

test('does not change what it is given', () => {
  const pdu = { type: 'm.room.message', content: { body: 'x' }, unsigned: { age: 1 } }
  redactPdu(ROOM_VERSIONS.get('1')!, pdu)
  expect(pdu).toEqual({ type: 'm.room.message', content: { body: 'x' }, unsigned: { age: 1 } })
})
