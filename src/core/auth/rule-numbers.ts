import type { RoomVersion } from '../room-version.ts'

type Condition = (version: RoomVersion) => boolean

/**
 * The authorisation rules in the order of the specification (Rooms, "Authorization rules"), under names of ours that
 * are the same in every room version: dots lead to subordinate rules. A condition says which versions have the rule
 * and what is subordinate to it.
 */
const OUTLINE = [
  ['create'],
  ['create.prev_events'],
  ['create.room_id'],
  ['create.room_version'],
  ['create.creator', (version) => !version.creatorIsSender],
  ['create.additional_creators', (version) => version.privilegedCreators],
  ['create.allow'],
  ['room_id', (version) => version.roomIdIsCreateHash],
  ['auth_events'],
  ['auth_events.duplicate'],
  ['auth_events.selection'],
  ['auth_events.rejected'],
  ['auth_events.create', (version) => !version.roomIdIsCreateHash],
  ['auth_events.room_id'],
  ['federate'],
  ['aliases', (version) => version.specialAliases],
  ['aliases.state_key'],
  ['aliases.sender'],
  ['aliases.allow'],
  ['member'],
  ['member.shape'],
  ['member.signed', (version) => version.restricted],
  ['member.signed.voucher'],
  ['member.join'],
  ['member.join.creator'],
  ['member.join.sender'],
  ['member.join.banned'],
  ['member.join.invited'],
  ['member.join.restricted', (version) => version.restricted],
  ['member.join.restricted.present'],
  ['member.join.restricted.voucher'],
  ['member.join.restricted.allow'],
  ['member.join.public'],
  ['member.join.otherwise'],
  ['member.invite'],
  ['member.invite.third_party'],
  ['member.invite.third_party.banned'],
  ['member.invite.third_party.signed'],
  ['member.invite.third_party.properties'],
  ['member.invite.third_party.mxid'],
  ['member.invite.third_party.token'],
  ['member.invite.third_party.sender'],
  ['member.invite.third_party.signature'],
  ['member.invite.third_party.signature.public_key'],
  ['member.invite.third_party.signature.public_keys'],
  ['member.invite.third_party.otherwise'],
  ['member.invite.sender'],
  ['member.invite.target'],
  ['member.invite.level'],
  ['member.invite.otherwise'],
  ['member.leave'],
  ['member.leave.own'],
  ['member.leave.sender'],
  ['member.leave.unban'],
  ['member.leave.kick'],
  ['member.leave.otherwise'],
  ['member.ban'],
  ['member.ban.sender'],
  ['member.ban.level'],
  ['member.ban.otherwise'],
  ['member.knock', (version) => version.knock],
  ['member.knock.join_rule'],
  ['member.knock.sender'],
  ['member.knock.membership'],
  ['member.knock.otherwise'],
  ['member.otherwise'],
  ['sender'],
  ['third_party_invite'],
  ['third_party_invite.level'],
  ['required_level'],
  ['state_key'],
  ['power_levels'],
  ['power_levels.plain_type', (version) => version.integerLevels],
  ['power_levels.map_type', (version) => version.integerLevels],
  ['power_levels.users_type'],
  ['power_levels.creators', (version) => version.privilegedCreators],
  ['power_levels.first'],
  ['power_levels.plain'],
  ['power_levels.plain.current'],
  ['power_levels.plain.new'],
  ['power_levels.map_changed'],
  ['power_levels.map_changed.current'],
  ['power_levels.map_added'],
  ['power_levels.map_added.new'],
  ['power_levels.users_changed'],
  ['power_levels.users_changed.current'],
  ['power_levels.users_added'],
  ['power_levels.users_added.new'],
  ['power_levels.allow'],
  ['redaction', (version) => version.redactionInAuth],
  ['redaction.level'],
  ['redaction.server'],
  ['redaction.otherwise'],
  ['otherwise'],
] as const satisfies readonly (readonly [name: string, when?: Condition])[]

export type RuleName = (typeof OUTLINE)[number][0]

const numbersByVersion = new WeakMap<RoomVersion, ReadonlyMap<RuleName, string>>()

/** The numbers of the rules on the page of a room version, such as "4.3.2". */
export function ruleNumbers(version: RoomVersion): ReadonlyMap<RuleName, string> {
  const known = numbersByVersion.get(version) ?? countRules(version)
  numbersByVersion.set(version, known)
  return known
}

function countRules(version: RoomVersion): ReadonlyMap<RuleName, string> {
  const numbers = new Map<RuleName, string>()
  const counters: number[] = []
  let absent: string | undefined
  for (const [name, when] of OUTLINE as readonly (readonly [RuleName, Condition?])[]) {
    if (absent !== undefined && name.startsWith(`${absent}.`)) continue
    if (when?.(version) === false) {
      absent = name
      continue
    }
    const depth = name.split('.').length
    counters.length = Math.min(counters.length, depth)
    counters[depth - 1] = (counters[depth - 1] ?? 0) + 1
    numbers.set(name, counters.join('.'))
  }
  return numbers
}
