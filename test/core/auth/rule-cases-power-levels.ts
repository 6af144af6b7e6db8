import type { JsonObject, JsonValue } from '../../../src/core/json.ts'
import { rawNumber } from '../../../src/core/json.ts'
import { CREATOR, MEMBER, MOD, type Room, type RuleCase } from './scene.ts'

const PLAIN = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'] as const
/** What is a level in no version. */
const NEVER_LEVELS: readonly JsonValue[] = [null, true, [], {}, '', 'x', '5x', '1.5', '1e3', '0x10', '1 0', '+ 5', '١']
const MANY_DIGITS = `1${'0'.repeat(400)}`

/** The rules of `m.room.power_levels`. The moderator with level 50 is who tries, unless another is named. */
export const POWER_LEVEL_CASES: readonly RuleCase[] = [
  {
    rule: 'power_levels.plain_type',
    reason: 'is not an integer',
    accepted: (room) => PLAIN.map((key) => room.judgeLevels({ [key]: 50 }, { [key]: 50 })),
    rejected: (room) =>
      PLAIN.flatMap((key) => [
        ...[...NEVER_LEVELS, '50', 1.5, rawNumber('50.0')].map((value) => room.judgeLevels({ [key]: value })),
        room.judgeLevels({ [key]: '50' }, null, CREATOR),
      ]),
  },
  {
    rule: 'power_levels.map_type',
    reason: 'is not a map of integers',
    accepted: (room) => ['events', 'notifications'].map((map) => room.judgeLevels({ [map]: { x: 50 } })),
    rejected: (room) =>
      ['events', 'notifications'].flatMap((map) => [
        ...[...NEVER_LEVELS, '50', 1.5].map((value) => room.judgeLevels({ [map]: { x: value, ok: 1 } })),
        ...[null, [], 'x', 1, true].map((value) => room.judgeLevels({ [map]: value })),
        room.judgeLevels({ [map]: { x: null } }, null, CREATOR),
      ]),
  },
  {
    rule: 'power_levels.users_type',
    reason: 'users is not a map',
    accepted: (room) => [
      room.judgeLevels({}),
      room.judgeLevels({ users: room.granted({ '@:a': 0, '@ä:a': 0 }) }),
      ...(room.version.integerLevels ? [] : [50, '50', ' +050 '].map((level) => withUser(room, MOD, level))),
      // Without the key everybody has the default.
      room.judge({ by: CREATOR, type: 'm.room.power_levels', key: '' }, { levels: null }),
    ],
    rejected: (room) => [
      ...[null, [], 'x', 1, true].map((users) => room.judgeLevels({ users })),
      ...NEVER_LEVELS.map((level) => withUser(room, MOD, level)),
      ...['', '@', 'mod:a', '@mod', '@mod:', '#mod:a', `@${'x'.repeat(255)}:a`].map((user) => withUser(room, user, 0)),
      ...(room.version.integerLevels ? [withUser(room, MOD, '50')] : []),
      room.judgeLevels({ users: [] }, null, CREATOR),
    ],
  },
  {
    rule: 'power_levels.creators',
    reason: 'has no level',
    accepted: (room) => [room.judgeLevels({})],
    rejected: (room) => [
      ...[0, 100].map((level) => withUser(room, CREATOR, level)),
      room.judge(
        { by: CREATOR, type: 'm.room.power_levels', key: '', content: { users: { [MEMBER]: 0 } } },
        { create: room.created({ additional_creators: ['@other:a', MEMBER] }), levels: null },
      ),
    ],
  },
  {
    rule: 'power_levels.first',
    reason: 'would be above',
    refusedBy: 'power_levels.users_added.new',
    accepted: (room) => [
      room.judgeLevels({ users: { [MEMBER]: 1000 }, ban: 1000, events: { x: 1000 } }, null, CREATOR),
      // What is no level is nowhere forbidden before version 10, as long as nothing is compared.
      ...(room.version.integerLevels
        ? []
        : [room.judgeLevels({ ban: null, events: { x: null }, notifications: 1 }, null, CREATOR)]),
    ],
    rejected: (room) => [room.judgeLevels({ users: { ...room.granted(), [MEMBER]: 1000 } })],
  },
  {
    rule: 'power_levels.plain.current',
    reason: 'the level of',
    accepted: (room) => [
      ...PLAIN.map((key) => room.judgeLevels({ [key]: 40 }, { [key]: 50 })),
      ...PLAIN.map((key) => room.judgeLevels({}, { [key]: 50 })),
      // What stays may be as high as it is; the spelling does not count.
      ...PLAIN.map((key) => room.judgeLevels({ [key]: 51 }, { ...reachable(key), [key]: 51 })),
      ...(room.version.integerLevels
        ? []
        : PLAIN.map((key) => room.judgeLevels({ [key]: ' +51' }, { ...reachable(key), [key]: 51 }))),
    ],
    rejected: (room) => [
      ...PLAIN.map((key) => room.judgeLevels({ [key]: 50 }, { ...reachable(key), [key]: 51 })),
      ...PLAIN.map((key) => room.judgeLevels({}, { ...reachable(key), [key]: 51 })),
      ...(room.version.integerLevels ? [] : [room.judgeLevels({ kick: 50 }, { kick: null })]),
    ],
  },
  {
    rule: 'power_levels.plain.new',
    reason: 'level',
    accepted: (room) => [
      ...PLAIN.map((key) => room.judgeLevels({ [key]: 50 })),
      ...PLAIN.map((key) => room.judgeLevels({ [key]: -1 }, { [key]: 0 })),
      // One side that is absent is not compared with its default.
      room.judgeLevels({ ban: 10 }),
    ],
    rejected: (room) => [
      ...PLAIN.map((key) => room.judgeLevels({ [key]: 51 })),
      ...PLAIN.map((key) => room.judgeLevels({ [key]: 51 }, { [key]: 50 })),
      ...(room.version.integerLevels ? [] : NEVER_LEVELS.map((level) => room.judgeLevels({ kick: level }))),
      ...(room.version.strictJson ? [] : [room.judgeLevels({ kick: rawNumber('1e309') }, null, CREATOR)]),
    ],
  },
  {
    rule: 'power_levels.map_changed.current',
    reason: 'the',
    accepted: (room) =>
      guarded(room, (map) => [
        room.judgeLevels({ [map]: { x: 40 } }, { [map]: { x: 50 } }),
        room.judgeLevels({}, { [map]: { x: 50 } }),
        room.judgeLevels({ [map]: { x: 51 } }, { [map]: { x: 51 } }),
      ]),
    rejected: (room) =>
      guarded(room, (map) => [
        room.judgeLevels({ [map]: { x: 50 } }, { [map]: { x: 51 } }),
        room.judgeLevels({}, { [map]: { x: 51 } }),
        room.judgeLevels({ [map]: {} }, { [map]: { constructor: 51 } }),
        ...(room.version.integerLevels
          ? []
          : [{ x: null }, null, 'x', []].map((levels) => room.judgeLevels({}, { [map]: levels }))),
      ]),
  },
  {
    rule: 'power_levels.map_added.new',
    reason: 'level',
    accepted: (room) => [
      ...guarded(room, (map) => [
        room.judgeLevels({ [map]: { x: 50 } }),
        room.judgeLevels({ [map]: { x: 50 } }, { [map]: { x: 0 } }),
      ]),
      // Notifications are not guarded before version 6.
      ...(room.version.guardNotifications ? [] : [room.judgeLevels({ notifications: { room: 51 } })]),
    ],
    rejected: (room) => [
      ...guarded(room, (map) => [
        room.judgeLevels({ [map]: { x: 51 } }),
        room.judgeLevels({ [map]: { x: 51 } }, { [map]: { x: 50 } }),
        room.judgeLevels({ [map]: { constructor: 51, y: 0 } }, { [map]: { y: 0 } }),
        ...(room.version.integerLevels
          ? []
          : [...NEVER_LEVELS.map((level) => ({ x: level })), 'x', []].map((levels) =>
              room.judgeLevels({ [map]: levels }),
            )),
      ]),
      ...(room.version.strictJson
        ? []
        : [room.judgeLevels({ notifications: { room: rawNumber('-1e999') } }, null, CREATOR)]),
    ],
  },
  {
    rule: 'power_levels.users_changed.current',
    reason: 'out of the sender’s reach',
    accepted: (room) => [
      room.judgeLevels({ users: room.granted({ [MEMBER]: 0 }) }, { users: room.granted({ [MEMBER]: 49 }) }),
      room.judgeLevels({ users: room.granted() }, { users: room.granted({ [MEMBER]: 49 }) }),
      // One's own level, and a level that stays.
      room.judgeLevels({ users: room.granted({ [MOD]: 1 }) }),
      room.judgeLevels({ users: room.granted({ [MEMBER]: 50 }) }, { users: room.granted({ [MEMBER]: 50 }) }),
    ],
    rejected: (room) => [
      room.judgeLevels({ users: room.granted({ [MEMBER]: 0 }) }, { users: room.granted({ [MEMBER]: 50 }) }),
      room.judgeLevels({ users: room.granted() }, { users: room.granted({ [MEMBER]: 50 }) }),
      room.judgeLevels({ users: room.granted({ [MEMBER]: 51 }) }, { users: room.granted({ [MEMBER]: 52 }) }),
    ],
  },
  {
    rule: 'power_levels.users_added.new',
    reason: 'would be above',
    accepted: (room) => [
      room.judgeLevels({ users: room.granted({ [MEMBER]: 50 }) }),
      room.judgeLevels({ users: room.granted({ [MEMBER]: 50 }) }, { users: room.granted({ [MEMBER]: 49 }) }),
      ...(room.version.privilegedCreators
        ? [room.judgeLevels({ users: { [MOD]: Number.MAX_SAFE_INTEGER } }, {}, CREATOR)]
        : []),
    ],
    rejected: (room) => [
      room.judgeLevels({ users: room.granted({ [MEMBER]: 51 }) }),
      room.judgeLevels({ users: room.granted({ [MEMBER]: 51 }) }, { users: room.granted({ [MEMBER]: 1 }) }),
      room.judgeLevels({ users: room.granted({ [MOD]: 51 }) }),
      ...(room.version.integerLevels ? [] : [withUser(room, MEMBER, '51'), withUser(room, MEMBER, MANY_DIGITS)]),
    ],
  },
  {
    rule: 'power_levels.allow',
    reason: 'would be above',
    refusedBy: 'power_levels.plain.new',
    accepted: (room) => [room.judgeLevels({ anything: [null], ban: 0, users: room.granted({ [MEMBER]: 1 }) })],
    rejected: (room) => [room.judgeLevels({ anything: [null], ban: 51 })],
  },
]

/** Sending power levels takes `state_default`, which must not be out of reach where it is what is tried. */
function reachable(key: string): JsonObject {
  return key === 'state_default' ? { events: { 'm.room.power_levels': 0 } } : {}
}

function guarded<Result>(room: Room, judge: (map: string) => readonly Result[]): Result[] {
  return ['events', ...(room.version.guardNotifications ? ['notifications'] : [])].flatMap(judge)
}

function withUser(room: Room, user: string, level: JsonValue) {
  return room.judgeLevels({ users: { ...room.granted(), [user]: level } })
}
