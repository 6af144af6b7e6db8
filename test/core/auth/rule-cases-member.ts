import { authoriseSigned } from '../../../src/core/auth/signed.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import {
  BANNED,
  type Changes,
  CREATOR,
  INVITED,
  KNOCKING,
  MEMBER,
  MOD,
  type Room,
  type RuleCase,
  STRANGER,
} from './scene.ts'

const VOUCHED = { join_authorised_via_users_server: MOD }
const PUBLIC: Changes = { joinRule: 'public' }

/** The rules of `m.room.member`, third-party invites apart. */
export const MEMBER_CASES: readonly RuleCase[] = [
  {
    rule: 'member.shape',
    reason: 'no state key or no membership',
    accepted: (room) => [join(room, STRANGER, PUBLIC)],
    rejected: (room) => [
      room.judge({ by: STRANGER, type: 'm.room.member', content: { membership: 'join' } }, PUBLIC),
      room.judge({ by: STRANGER, type: 'm.room.member', key: STRANGER }, PUBLIC),
      ...[null, 1, ['join']].map((membership) => room.judgeMember(STRANGER, STRANGER, membership, PUBLIC)),
    ],
  },
  {
    rule: 'member.signed.voucher',
    reason: 'has not signed',
    accepted: (room) => [
      signed(room, 'join', MOD, ['a', 'b']),
      signed(room, 'leave', MOD, ['a']),
      signed(room, 'join', undefined, []),
      authoriseSigned(room.version, room.event({ by: MEMBER, type: 'm.x', content: VOUCHED }), new Set()),
    ],
    rejected: (room) => [
      signed(room, 'join', MOD, []),
      signed(room, 'join', MOD, ['b']),
      signed(room, 'leave', MOD, ['b']),
      ...['', 1, null].map((voucher) => signed(room, 'join', voucher, ['a', 'b'])),
    ],
  },
  {
    rule: 'member.join.creator',
    reason: 'one joins for oneself alone',
    refusedBy: 'member.join.sender',
    // The text does not ask who sends it.
    accepted: (room) => [joinFirst(room, CREATOR, CREATOR), joinFirst(room, STRANGER, CREATOR)],
    rejected: (room) => [
      joinFirst(room, CREATOR, STRANGER),
      joinFirst(room, STRANGER, CREATOR, ['$before:a']),
      joinFirst(room, STRANGER, CREATOR, [createId(room), '$before:a']),
      ...(room.version.privilegedCreators ? [joinFirst(room, CREATOR, STRANGER, undefined, [STRANGER])] : []),
    ],
  },
  {
    rule: 'member.join.sender',
    reason: 'one joins for oneself alone',
    accepted: (room) => [join(room, STRANGER, PUBLIC)],
    rejected: (room) => [room.judgeMember(MOD, STRANGER, 'join', PUBLIC)],
  },
  {
    rule: 'member.join.banned',
    reason: 'banned',
    accepted: (room) => [join(room, STRANGER, PUBLIC)],
    rejected: (room) => ['public', 'invite', 'private'].map((joinRule) => join(room, BANNED, { joinRule })),
  },
  {
    rule: 'member.join.invited',
    reason: 'not invited',
    refusedBy: 'member.join.otherwise',
    accepted: (room) =>
      ['invite', null, ...(room.version.knock ? ['knock'] : [])].flatMap((joinRule) =>
        [INVITED, MEMBER].map((user) => join(room, user, { joinRule })),
      ),
    rejected: (room) =>
      ['invite', null, ...(room.version.knock ? ['knock'] : [])].flatMap((joinRule) =>
        [STRANGER, KNOCKING].map((user) => join(room, user, { joinRule })),
      ),
  },
  {
    rule: 'member.join.restricted.present',
    reason: 'nobody vouches',
    refusedBy: 'member.join.restricted.voucher',
    accepted: (room) => restricted(room, (joinRule) => [INVITED, MEMBER].map((user) => join(room, user, { joinRule }))),
    rejected: (room) =>
      restricted(room, (joinRule) => [STRANGER, KNOCKING].map((user) => join(room, user, { joinRule }))),
  },
  {
    rule: 'member.join.restricted.voucher',
    reason: 'vouch',
    accepted: (room) => restricted(room, (joinRule) => [join(room, STRANGER, { joinRule }, VOUCHED)]),
    rejected: (room) =>
      restricted(room, (joinRule) => [
        ...[INVITED, BANNED, STRANGER, '', 1, null].map((voucher) =>
          join(room, STRANGER, { joinRule }, { join_authorised_via_users_server: voucher }),
        ),
        join(room, STRANGER, { joinRule, levels: { users: room.granted(), invite: 51 } }, VOUCHED),
      ]),
  },
  {
    rule: 'member.join.restricted.allow',
    reason: 'may not invite',
    refusedBy: 'member.join.restricted.voucher',
    accepted: (room) => [
      join(room, STRANGER, { joinRule: 'restricted', levels: { users: room.granted(), invite: 50 } }, VOUCHED),
    ],
    rejected: (room) => [
      join(room, STRANGER, { joinRule: 'restricted', levels: { users: { [MOD]: 49 }, invite: 50 } }, VOUCHED),
    ],
  },
  {
    rule: 'member.join.public',
    reason: 'not invited',
    refusedBy: 'member.join.otherwise',
    accepted: (room) => [STRANGER, INVITED, KNOCKING, MEMBER].map((user) => join(room, user, PUBLIC)),
    rejected: (room) => [join(room, STRANGER)],
  },
  {
    rule: 'member.join.otherwise',
    reason: 'lets nobody in',
    accepted: (room) => [join(room, INVITED)],
    rejected: (room) => {
      const { knock, restricted, knockRestricted } = room.version
      const unknown = ['private', '', null, 1, 'constructor']
      if (!knock) unknown.push('knock')
      if (!restricted) unknown.push('restricted')
      if (!knockRestricted) unknown.push('knock_restricted')
      return unknown.flatMap((rule) => {
        // A join rule event without a usable rule is not the same as none.
        const more = [room.event({ by: CREATOR, type: 'm.room.join_rules', key: '', content: { join_rule: rule } })]
        return [INVITED, MEMBER, STRANGER].map((user) => join(room, user, { more }, VOUCHED))
      })
    },
  },
  {
    rule: 'member.invite.sender',
    reason: 'sender is not in the room',
    accepted: (room) => [room.judgeMember(MEMBER, STRANGER, 'invite')],
    rejected: (room) => [INVITED, BANNED, KNOCKING, '@other:c'].map((by) => room.judgeMember(by, STRANGER, 'invite')),
  },
  {
    rule: 'member.invite.target',
    reason: 'in the room or banned',
    accepted: (room) => [STRANGER, INVITED, KNOCKING].map((target) => room.judgeMember(MEMBER, target, 'invite')),
    rejected: (room) => [MOD, MEMBER, BANNED].map((target) => room.judgeMember(MEMBER, target, 'invite')),
  },
  {
    rule: 'member.invite.level',
    reason: 'may not invite',
    refusedBy: 'member.invite.otherwise',
    accepted: (room) => [
      room.judgeMember(MEMBER, STRANGER, 'invite'),
      room.judgeMember(MOD, STRANGER, 'invite', { levels: { users: room.granted(), invite: 50 } }),
    ],
    rejected: (room) => [room.judgeMember(MOD, STRANGER, 'invite', { levels: { users: room.granted(), invite: 51 } })],
  },
  {
    rule: 'member.invite.otherwise',
    reason: 'may not invite',
    accepted: (room) => [room.judgeMember(MEMBER, STRANGER, 'invite')],
    rejected: (room) => [room.judgeMember(MEMBER, STRANGER, 'invite', { levels: { invite: 1 } })],
  },
  {
    rule: 'member.leave.own',
    reason: 'user is not in the room',
    accepted: (room) =>
      [MEMBER, INVITED, ...(room.version.knock ? [KNOCKING] : [])].map((user) => room.judgeMember(user, user, 'leave')),
    rejected: (room) =>
      [BANNED, STRANGER, ...(room.version.knock ? [] : [KNOCKING])].map((user) =>
        room.judgeMember(user, user, 'leave'),
      ),
  },
  {
    rule: 'member.leave.sender',
    reason: 'sender is not in the room',
    accepted: (room) => [room.judgeMember(MOD, MEMBER, 'leave')],
    rejected: (room) => [INVITED, BANNED, STRANGER].map((by) => room.judgeMember(by, MEMBER, 'leave')),
  },
  {
    rule: 'member.leave.unban',
    reason: 'may not lift a ban',
    accepted: (room) => [
      room.judgeMember(MOD, BANNED, 'leave'),
      // Who is not banned may be removed without the level for it.
      room.judgeMember(MOD, MEMBER, 'leave', { levels: { users: room.granted(), ban: 51 } }),
    ],
    rejected: (room) => [room.judgeMember(MOD, BANNED, 'leave', { levels: { users: room.granted(), ban: 51 } })],
  },
  {
    rule: 'member.leave.kick',
    reason: 'may not remove',
    refusedBy: 'member.leave.otherwise',
    accepted: (room) => [
      room.judgeMember(MOD, MEMBER, 'leave'),
      room.judgeMember(MOD, INVITED, 'leave'),
      room.judgeMember(MOD, '@low:b', 'leave', { levels: { users: room.granted({ '@low:b': 49 }) } }),
    ],
    rejected: (room) => [
      room.judgeMember(MOD, MEMBER, 'leave', { levels: { users: room.granted(), kick: 51 } }),
      room.judgeMember(MOD, BANNED, 'leave', { levels: { users: room.granted(), kick: 51, ban: 0 } }),
    ],
  },
  {
    rule: 'member.leave.otherwise',
    reason: 'may not remove',
    accepted: (room) => [room.judgeMember(CREATOR, MOD, 'leave')],
    rejected: (room) => [
      room.judgeMember(MEMBER, INVITED, 'leave'),
      room.judgeMember(MOD, CREATOR, 'leave'),
      room.judgeMember(MOD, '@same:b', 'leave', { levels: { users: room.granted({ '@same:b': 50 }) } }),
      // Creators without a limit are not above each other.
      ...(room.version.privilegedCreators ? [amongCreators(room, 'leave')] : []),
    ],
  },
  {
    rule: 'member.ban.sender',
    reason: 'sender is not in the room',
    accepted: (room) => [room.judgeMember(MOD, MEMBER, 'ban')],
    rejected: (room) => [
      ...[INVITED, BANNED, STRANGER].map((by) => room.judgeMember(by, MEMBER, 'ban')),
      room.judgeMember(MOD, MEMBER, 'ban', { members: { [MOD]: 'leave' } }),
    ],
  },
  {
    rule: 'member.ban.level',
    reason: 'may not ban',
    refusedBy: 'member.ban.otherwise',
    accepted: (room) => [
      ...[MEMBER, INVITED, STRANGER, BANNED].map((target) => room.judgeMember(MOD, target, 'ban')),
      room.judgeMember(MOD, '@low:b', 'ban', { levels: { users: room.granted({ '@low:b': 49 }), kick: 51 } }),
    ],
    rejected: (room) => [room.judgeMember(MOD, MEMBER, 'ban', { levels: { users: room.granted(), ban: 51 } })],
  },
  {
    rule: 'member.ban.otherwise',
    reason: 'may not ban',
    accepted: (room) => [room.judgeMember(CREATOR, MOD, 'ban')],
    rejected: (room) => [
      room.judgeMember(MEMBER, STRANGER, 'ban'),
      room.judgeMember(MOD, CREATOR, 'ban'),
      room.judgeMember(MOD, '@same:b', 'ban', { levels: { users: room.granted({ '@same:b': 50 }) } }),
      ...(room.version.privilegedCreators ? [amongCreators(room, 'ban')] : []),
    ],
  },
  {
    rule: 'member.knock.join_rule',
    reason: 'takes no knocks',
    accepted: (room) => knockable(room, (joinRule) => [room.judgeMember(STRANGER, STRANGER, 'knock', { joinRule })]),
    rejected: (room) =>
      [
        'invite',
        'public',
        'private',
        'restricted',
        null,
        ...(room.version.knockRestricted ? [] : ['knock_restricted']),
      ].map((joinRule) => room.judgeMember(STRANGER, STRANGER, 'knock', { joinRule })),
  },
  {
    rule: 'member.knock.sender',
    reason: 'one knocks for oneself alone',
    accepted: (room) => [room.judgeMember(STRANGER, STRANGER, 'knock', { joinRule: 'knock' })],
    rejected: (room) => [room.judgeMember(MOD, STRANGER, 'knock', { joinRule: 'knock' })],
  },
  {
    rule: 'member.knock.membership',
    reason: 'in the room, invited or banned',
    refusedBy: 'member.knock.otherwise',
    accepted: (room) => [
      room.judgeMember(KNOCKING, KNOCKING, 'knock', { joinRule: 'knock' }),
      room.judgeMember(STRANGER, STRANGER, 'knock', { joinRule: 'knock', members: { [STRANGER]: 'leave' } }),
    ],
    rejected: (room) => [room.judgeMember(MEMBER, MEMBER, 'knock', { joinRule: 'knock' })],
  },
  {
    rule: 'member.knock.otherwise',
    reason: 'in the room, invited or banned',
    accepted: (room) => [room.judgeMember(STRANGER, STRANGER, 'knock', { joinRule: 'knock' })],
    rejected: (room) =>
      [BANNED, INVITED, MEMBER].map((user) => room.judgeMember(user, user, 'knock', { joinRule: 'knock' })),
  },
  {
    rule: 'member.otherwise',
    reason: 'is not known',
    accepted: (room) => [room.judgeMember(MEMBER, MEMBER, 'leave')],
    rejected: (room) =>
      ['', 'Join', 'constructor', ...(room.version.knock ? [] : ['knock'])].map((membership) =>
        room.judgeMember(MEMBER, MEMBER, membership, { joinRule: 'knock' }),
      ),
  },
]

function join(room: Room, user: string, changes: Changes = {}, more: JsonObject = {}) {
  return room.judgeMember(user, user, 'join', changes, more)
}

function createId(room: Room): string {
  return room.version.roomIdIsCreateHash ? '$create' : '$create:a'
}

/** A join after the create event, before there are members, join rules or levels. */
function joinFirst(
  room: Room,
  by: string,
  target: string,
  prev: readonly string[] = [createId(room)],
  additional?: readonly string[],
) {
  const create = room.created(additional === undefined ? {} : { additional_creators: additional })
  const content = { membership: 'join' }
  return room.judge(
    { by, type: 'm.room.member', key: target, content, prev },
    { create, levels: null, joinRule: null, members: { [CREATOR]: 'leave' } },
  )
}

function restricted<Result>(room: Room, judge: (joinRule: string) => readonly Result[]): Result[] {
  return ['restricted', ...(room.version.knockRestricted ? ['knock_restricted'] : [])].flatMap(judge)
}

function knockable<Result>(room: Room, judge: (joinRule: string) => readonly Result[]): Result[] {
  return ['knock', ...(room.version.knockRestricted ? ['knock_restricted'] : [])].flatMap(judge)
}

function amongCreators(room: Room, membership: string) {
  const create = room.created({ additional_creators: [MEMBER] })
  return room.judgeMember(CREATOR, MEMBER, membership, { create })
}

/** Whether the signatures of these servers are enough for a member event that names a voucher. */
function signed(
  room: Room,
  membership: string,
  voucher: string | number | null | undefined,
  servers: readonly string[],
) {
  const named = voucher === undefined ? {} : { join_authorised_via_users_server: voucher }
  const event = room.event({ by: MEMBER, type: 'm.room.member', key: MEMBER, content: { membership, ...named } })
  return authoriseSigned(room.version, event, new Set(servers))
}
