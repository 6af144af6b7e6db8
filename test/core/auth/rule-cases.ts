import type { JsonObject, JsonValue } from '../../../src/core/json.ts'
import {
  type Attempt,
  BANNED,
  CREATOR,
  INVITED,
  KNOCKING,
  MEMBER,
  MOD,
  type Room,
  type RuleCase,
  STRANGER,
} from './scene.ts'

const MESSAGE: Attempt = { by: MEMBER, type: 'm.room.message' }

/** The rules of rooms, senders and levels; members and power levels have files of their own. */
export const RULE_CASES: readonly RuleCase[] = [
  {
    rule: 'create.prev_events',
    reason: 'no prev_events',
    accepted: (room) => [create(room)],
    rejected: (room) => [create(room, {}, { prev: ['$before:a'] })],
  },
  {
    rule: 'create.room_id',
    reason: 'the room id is not the one',
    // That an event of version 12 carries no room id is a matter of its format too.
    accepted: (room) => [create(room)],
    rejected: (room) =>
      room.version.roomIdIsCreateHash
        ? [create(room, {}, { roomId: '!other' }), create(room, {}, { roomId: '!create:a' })]
        : [create(room, {}, { by: STRANGER }), create(room, {}, { roomId: '!room:a:8448' })],
  },
  {
    rule: 'create.room_version',
    reason: 'version is not known',
    accepted: (room) => [create(room), create(room, { room_version: '1' })],
    rejected: (room) => ['13', '', 12, null].map((version) => create(room, { room_version: version })),
  },
  {
    rule: 'create.creator',
    reason: 'no creator',
    accepted: (room) => [create(room), create(room, { creator: 'anything' })],
    rejected: (room) => [room.judge({ by: CREATOR, type: 'm.room.create', key: '', prev: [] })],
  },
  {
    rule: 'create.additional_creators',
    reason: 'not a list of user ids',
    accepted: (room) => [[], ['@a:b'], ['@a:b', '@c:d']].map((list) => create(room, { additional_creators: list })),
    rejected: (room) =>
      [null, '@a:b', {}, [1], ['@a'], ['@a:b', 'b'], [null]].map((list) => create(room, { additional_creators: list })),
  },
  {
    rule: 'create.allow',
    reason: 'no prev_events',
    refusedBy: 'create.prev_events',
    accepted: (room) => [create(room, { 'm.federate': false, anything: [1] })],
    rejected: (room) => [create(room, {}, { prev: ['$before:a', '$other:a'] })],
  },
  {
    rule: 'room_id',
    reason: 'not that of a create event',
    accepted: (room) => [room.judge(MESSAGE)],
    rejected: (room) => [room.judge(MESSAGE, { create: null }), room.judge({ ...MESSAGE, roomId: '!other' })],
  },
  {
    rule: 'auth_events.duplicate',
    reason: 'two auth events for m.room.member',
    accepted: (room) => [authEvents(room)],
    rejected: (room) => [authEvents(room, ['m.room.member', MEMBER])],
  },
  {
    rule: 'auth_events.selection',
    reason: 'does not belong',
    accepted: (room) => [authEvents(room)],
    rejected: (room) => [
      authEvents(room, ['m.room.join_rules', '']),
      authEvents(room, ['m.room.member', MOD]),
      authEvents(room, ['m.room.topic', '']),
      ...(room.version.roomIdIsCreateHash ? [authEvents(room, ['m.room.create', ''])] : []),
    ],
  },
  {
    rule: 'auth_events.rejected',
    reason: 'was rejected',
    accepted: (room) => [room.judgeAuthEvents(selected(room), { bad: 'm.room.topic' })],
    rejected: (room) => [room.judgeAuthEvents(selected(room), { bad: 'm.room.power_levels' })],
  },
  {
    rule: 'auth_events.create',
    reason: 'create event',
    // Only the create event itself rests on nothing.
    accepted: (room) => [authEvents(room), room.judgeAuthEvents([], { type: 'm.room.create', key: '' })],
    rejected: (room) => [
      room.judgeAuthEvents(selected(room).filter(([type]) => type !== 'm.room.create')),
      room.judge(MESSAGE, { create: null }),
    ],
  },
  {
    rule: 'auth_events.room_id',
    reason: 'another room',
    accepted: (room) => [authEvents(room)],
    rejected: (room) => [room.judgeAuthEvents(selected(room), { roomId: '!other:a' })],
  },
  {
    rule: 'federate',
    reason: 'does not federate',
    accepted: (room) => [
      room.judge({ ...MESSAGE, by: MOD }, { create: room.created({ 'm.federate': false }) }),
      ...[true, null, 'false', 0].map((value) =>
        room.judge(MESSAGE, { create: room.created({ 'm.federate': value }) }),
      ),
    ],
    rejected: (room) => [room.judge(MESSAGE, { create: room.created({ 'm.federate': false }) })],
  },
  {
    rule: 'aliases.state_key',
    reason: 'no state key',
    accepted: (room) => [room.judge({ by: MEMBER, type: 'm.room.aliases', key: 'b' })],
    rejected: (room) => [room.judge({ by: MEMBER, type: 'm.room.aliases' })],
  },
  {
    rule: 'aliases.sender',
    reason: 'not the sender’s server',
    accepted: (room) => [room.judge({ by: MEMBER, type: 'm.room.aliases', key: 'b' })],
    rejected: (room) => ['a', '', MEMBER].map((key) => room.judge({ by: MEMBER, type: 'm.room.aliases', key })),
  },
  {
    rule: 'aliases.allow',
    reason: 'not the sender’s server',
    refusedBy: 'aliases.sender',
    // Neither membership nor level is asked for.
    accepted: (room) => [room.judge({ by: STRANGER, type: 'm.room.aliases', key: 'c' })],
    rejected: (room) => [room.judge({ by: STRANGER, type: 'm.room.aliases', key: 'b' })],
  },
  {
    rule: 'sender',
    reason: 'sender is not in the room',
    accepted: (room) => [room.judge(MESSAGE)],
    rejected: (room) => [INVITED, BANNED, KNOCKING, STRANGER].map((by) => room.judge({ ...MESSAGE, by })),
  },
  {
    rule: 'third_party_invite.level',
    reason: 'may not invite',
    // The level for sending the type, and whose id the state key is, do not count.
    accepted: (room) => [
      thirdPartyInvite(room, MOD, { invite: 50 }),
      thirdPartyInvite(room, MEMBER, { invite: 0, events: { 'm.room.third_party_invite': 100 } }),
    ],
    rejected: (room) => [
      thirdPartyInvite(room, MOD, { invite: 51 }),
      thirdPartyInvite(room, MEMBER, { invite: 1, events: { 'm.room.third_party_invite': 0 } }),
    ],
  },
  {
    rule: 'required_level',
    reason: 'takes level',
    accepted: (room) => [
      room.judge(MESSAGE),
      room.judge({ by: MOD, type: 'm.room.topic', key: '' }),
      room.judge({ by: MEMBER, type: 'm.room.topic', key: '' }, { levels: { state_default: 0 } }),
      room.judge(MESSAGE, { levels: { events_default: 50, events: { 'm.room.message': 0 } } }),
      room.judge(MESSAGE, { levels: { events_default: 50, users_default: 50 } }),
      // Without power levels the creator has 100 and everybody else 0, and state takes 50 all the same.
      room.judge({ by: CREATOR, type: 'm.room.topic', key: '' }, { levels: null }),
    ],
    rejected: (room) => [
      room.judge({ by: MEMBER, type: 'm.room.topic', key: '' }),
      room.judge(MESSAGE, { levels: { events_default: 1 } }),
      room.judge({ by: MEMBER, type: 'm.room.message' }, { levels: { events: { 'm.room.message': 1 } } }),
      room.judge({ by: MOD, type: 'm.room.topic', key: '' }, { levels: null }),
      room.judge({ by: MOD, type: 'constructor', key: '' }, { levels: {} }),
    ],
  },
  {
    rule: 'state_key',
    reason: 'another user’s id',
    accepted: (room) => [
      room.judge({ by: MOD, type: 'org.example', key: MOD }),
      room.judge({ by: MOD, type: 'org.example', key: 'x@mod:a' }),
    ],
    rejected: (room) => [MEMBER, '@', '@mod:b'].map((key) => room.judge({ by: MOD, type: 'org.example', key })),
  },
  {
    rule: 'redaction.level',
    reason: 'other servers',
    refusedBy: 'redaction.otherwise',
    accepted: (room) => [redact(room, MOD, '$target:c')],
    rejected: (room) => [redact(room, MOD, '$target:c', { redact: 51, users: { [MOD]: 50 } })],
  },
  {
    rule: 'redaction.server',
    reason: 'other servers',
    refusedBy: 'redaction.otherwise',
    // The servers in the ids count, not those of the senders.
    accepted: (room) => [redact(room, MEMBER, '$target:a')],
    rejected: (room) => [redact(room, MEMBER, '$target:b')],
  },
  {
    rule: 'redaction.otherwise',
    reason: 'other servers',
    accepted: (room) => [redact(room, MEMBER, '$target:a')],
    rejected: (room) => [redact(room, MEMBER, '$target:c'), redact(room, MEMBER, undefined)],
  },
  {
    rule: 'otherwise',
    reason: 'sender is not in the room',
    refusedBy: 'sender',
    accepted: (room) => [
      room.judge(MESSAGE),
      room.judge({ by: MOD, type: 'm.room.topic', key: '' }),
      // From version 3 on the rules do not look at what a redaction redacts.
      ...(room.version.redactionInAuth ? [] : [redact(room, MEMBER, '$target:c')]),
      // From version 6 on aliases are state like any other.
      ...(room.version.specialAliases ? [] : [room.judge({ by: MOD, type: 'm.room.aliases', key: 'elsewhere' })]),
    ],
    rejected: (room) => [room.judge({ ...MESSAGE, by: STRANGER })],
  },
]

function create(room: Room, content: JsonObject = {}, more: Partial<Attempt> = {}) {
  const attempt = { by: CREATOR, type: 'm.room.create', key: '', prev: [], content: room.created(content) }
  return room.judge({ ...attempt, ...(room.version.roomIdIsCreateHash ? { id: '$create' } : {}), ...more })
}

function selected(room: Room): readonly (readonly [string, string])[] {
  const others = [['m.room.power_levels', ''] as const, ['m.room.member', MEMBER] as const]
  return room.version.roomIdIsCreateHash ? others : [['m.room.create', ''] as const, ...others]
}

function authEvents(room: Room, ...more: readonly (readonly [string, string])[]) {
  return room.judgeAuthEvents([...selected(room), ...more])
}

function thirdPartyInvite(room: Room, by: string, levels: Record<string, JsonValue>) {
  return room.judge(
    { by, type: 'm.room.third_party_invite', key: '@other:a' },
    { levels: { users: room.granted(), ...levels } },
  )
}

function redact(room: Room, by: string, redacts: string | undefined, levels?: JsonObject) {
  const attempt = { by, type: 'm.room.redaction', ...(redacts === undefined ? {} : { redacts }) }
  return room.judge(attempt, levels === undefined ? {} : { levels })
}
