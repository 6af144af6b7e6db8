import { authorise, checkAuthEvents, type Verdict } from '../../../src/core/auth/authorise.ts'
import type { RuleName } from '../../../src/core/auth/rule-numbers.ts'
import type { AuthEvent } from '../../../src/core/event.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { RoomVersion } from '../../../src/core/room-version.ts'

/** What somebody tries. Without `key` it is no state event. */
export interface Attempt {
  readonly by: string
  readonly type: string
  readonly key?: string
  readonly content?: JsonObject
  readonly prev?: readonly string[]
  readonly id?: string
  readonly roomId?: string
  readonly redacts?: string
}

/** What is different from the room that `roomOf` describes; content replaces content, null takes the event away. */
export interface Changes {
  readonly create?: JsonObject | null
  readonly levels?: JsonObject | null
  readonly joinRule?: unknown
  readonly members?: Readonly<Record<string, string>>
  readonly more?: readonly AuthEvent[]
}

/** A rule with attempts that it lets pass and attempts that it refuses, in every room version that has it. */
export interface RuleCase {
  readonly rule: RuleName
  /** Part of the reason given. */
  readonly reason: string
  /** Where the rule only allows: the rule that refuses what it does not allow. */
  readonly refusedBy?: RuleName
  readonly accepted: (room: Room) => readonly Verdict[]
  readonly rejected: (room: Room) => readonly Verdict[]
}

export type Room = ReturnType<typeof roomOf>

export const CREATOR = '@creator:a'
export const MOD = '@mod:a'
export const MEMBER = '@member:b'
export const INVITED = '@invited:b'
export const BANNED = '@banned:b'
export const KNOCKING = '@knocking:b'
export const STRANGER = '@stranger:c'

const MEMBERSHIPS: Readonly<Record<string, string>> = {
  [CREATOR]: 'join',
  [MOD]: 'join',
  [MEMBER]: 'join',
  [INVITED]: 'invite',
  [BANNED]: 'ban',
  [KNOCKING]: 'knock',
}

/**
 * A room on invitation, of a creator with level 100 (in version 12 without a limit), a moderator with 50, a member with
 * none, and a user of each other membership.
 */
export function roomOf(version: RoomVersion) {
  const roomId = version.roomIdIsCreateHash ? '!create' : '!room:a'

  function event(attempt: Attempt): AuthEvent {
    return {
      eventId: attempt.id ?? '$attempt:a',
      roomId: attempt.roomId ?? roomId,
      type: attempt.type,
      stateKey: attempt.key ?? null,
      sender: attempt.by,
      content: attempt.content ?? {},
      originServerTs: 1,
      depth: 1,
      prevEvents: attempt.prev ?? ['$before:a'],
      authEvents: [],
      redacts: attempt.redacts,
    } as unknown as AuthEvent
  }

  function state(changes: Changes): ReadonlyMap<string, AuthEvent> {
    const { create, levels, joinRule = 'invite', members = {}, more = [] } = changes
    const events: AuthEvent[] = []
    const add = (id: string, type: string, content: JsonObject | null | undefined, key = '', by = CREATOR) => {
      if (content !== null) events.push(event({ id, by, type, key, content: content ?? {}, prev: [] }))
    }
    add(
      version.roomIdIsCreateHash ? '$create' : '$create:a',
      'm.room.create',
      create === undefined ? created() : create,
    )
    add('$levels:a', 'm.room.power_levels', levels === undefined ? { users: granted() } : levels)
    add('$rules:a', 'm.room.join_rules', joinRule === null ? null : { join_rule: joinRule as string })
    for (const [user, membership] of Object.entries({ ...MEMBERSHIPS, ...members })) {
      add(`$member${user}`, 'm.room.member', { membership }, user, user)
    }
    return new Map([...events, ...more].map((held) => [JSON.stringify([held.type, held.stateKey]), held]))
  }

  /** The content of a create event as the version wants it. */
  function created(more: JsonObject = {}): JsonObject {
    return { ...(version.creatorIsSender ? {} : { creator: CREATOR }), room_version: version.id, ...more }
  }

  /** Levels of users: 100 for the creator where creators may have one, 50 for the moderator. */
  function granted(more: JsonObject = {}): JsonObject {
    return { ...(version.privilegedCreators ? {} : { [CREATOR]: 100 }), [MOD]: 50, ...more }
  }

  function judge(attempt: Attempt, changes: Changes = {}): Verdict {
    const held = state(changes)
    return authorise(version, event(attempt), (type, key) => held.get(JSON.stringify([type, key])))
  }

  function judgeMember(by: string, target: string, membership: unknown, changes: Changes = {}, more: JsonObject = {}) {
    const content = { membership: membership as string, ...more }
    return judge({ by, type: 'm.room.member', key: target, content }, changes)
  }

  /** New power levels by the moderator; both contents have the users’ levels, unless they bring their own. */
  function judgeLevels(wanted: JsonObject, current: JsonObject | null = {}, by = MOD): Verdict {
    const content = { users: granted(), ...wanted }
    const levels = current === null ? null : { users: granted(), ...current }
    return judge({ by, type: 'm.room.power_levels', key: '', content }, { levels })
  }

  /** Whether a message may rest on these events of the room as its authority. */
  function judgeAuthEvents(
    keys: readonly (readonly [string, string])[],
    changes: Partial<Attempt & { bad: string }> = {},
  ) {
    const held = state({})
    const named = keys.map(([type, key]) => held.get(JSON.stringify([type, key])) ?? event({ by: CREATOR, type, key }))
    const message = event({ by: MEMBER, type: 'm.room.message', ...changes })
    return checkAuthEvents(version, message, named, (auth) => auth.type === changes.bad)
  }

  return { version, event, judge, judgeMember, judgeLevels, judgeAuthEvents, created, granted }
}
