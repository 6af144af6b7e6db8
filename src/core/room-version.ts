/** The row of a version, or undefined if this server does not know it. Versions have no order: never compare ids. */
export function roomVersion(id: string): RoomVersion | undefined {
  return ROOM_VERSIONS.get(id)
}

/** What a room version decides, as one row of data (specification: Room versions 1 to 12). */
export interface RoomVersion {
  readonly id: string
  /** v1-2: chosen by the server; v3: standard base64 of the reference hash; v4+: url-safe. */
  readonly eventIdFormat: 'server' | 'base64' | 'base64url'
  /** v1-2: `auth_events` and `prev_events` are `[id, {sha256}]` pairs. */
  readonly referencesAsPairs: boolean
  /** v12: the room id is the create event's id with `!` for `$`, and the create event is not among `auth_events`. */
  readonly roomIdIsCreateHash: boolean
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** v5+: the signing key must have been valid at `origin_server_ts`. */
  readonly enforceKeyValidity: boolean
  /** v6+: no floats, no integers outside ±(2^53−1). */
  readonly strictJson: boolean
  /** v1-5: rule of its own for `m.room.aliases`. */
  readonly specialAliases: boolean
  /** v1-2: redactions are decided by the auth rules. */
  readonly redactionInAuth: boolean
  /** v6+: power levels under `notifications` are guarded. */
  readonly guardNotifications: boolean
  readonly knock: boolean
  readonly restricted: boolean
  readonly knockRestricted: boolean
  /** v10+: power levels are integers, never strings. */
  readonly integerLevels: boolean
  /** v11+: the creator is the sender of the create event; before, `content.creator`. */
  readonly creatorIsSender: boolean
  /** v12: creators stand above every power level. */
  readonly privilegedCreators: boolean
  /** v11+: `redacts` stands in `content`. */
  readonly redactsInContent: boolean
  readonly redaction: RedactionRules
  /** Upper bound of `depth`. */
  readonly depthMax: bigint
  /** v11+: key sizes are counted in bytes without leniency. */
  readonly strictByteLimits: boolean
}

/** What redaction keeps: top-level keys, and per event type the keys of `content` ('all' keeps everything). */
export interface RedactionRules {
  readonly topLevel: ReadonlySet<string>
  readonly content: ReadonlyMap<string, 'all' | ReadonlySet<string>>
  /** v11+: `third_party_invite` of a member event is reduced to its `signed` key. */
  readonly memberThirdPartySigned: boolean
}

const TOP_LEVEL = 'event_id type room_id sender state_key content hashes signatures depth prev_events auth_events'
  .split(' ')
  .concat('origin_server_ts')
const LEVELS = 'ban events events_default kick redact state_default users users_default'.split(' ')
const KEPT_BY_ALL: readonly (readonly [string, 'all' | readonly string[]])[] = [
  ['m.room.member', ['membership']],
  ['m.room.create', ['creator']],
  ['m.room.join_rules', ['join_rule']],
  ['m.room.power_levels', LEVELS],
  ['m.room.history_visibility', ['history_visibility']],
]

const REDACTION_V1 = redactionRules([['m.room.aliases', ['aliases']]])
const REDACTION_V6 = redactionRules([])
const REDACTION_V8 = redactionRules([['m.room.join_rules', ['join_rule', 'allow']]])
const REDACTION_V9 = redactionRules([
  ['m.room.join_rules', ['join_rule', 'allow']],
  ['m.room.member', ['membership', 'join_authorised_via_users_server']],
])
const REDACTION_V11: RedactionRules = {
  ...redactionRules([
    ['m.room.join_rules', ['join_rule', 'allow']],
    ['m.room.member', ['membership', 'join_authorised_via_users_server']],
    ['m.room.create', 'all'],
    ['m.room.power_levels', [...LEVELS, 'invite']],
    ['m.room.redaction', ['redacts']],
  ]),
  topLevel: new Set(TOP_LEVEL),
  memberThirdPartySigned: true,
}

const V1: RoomVersion = {
  id: '1',
  eventIdFormat: 'server',
  referencesAsPairs: true,
  roomIdIsCreateHash: false,
  stateResolution: 'v1',
  enforceKeyValidity: false,
  strictJson: false,
  specialAliases: true,
  redactionInAuth: true,
  guardNotifications: false,
  knock: false,
  restricted: false,
  knockRestricted: false,
  integerLevels: false,
  creatorIsSender: false,
  privilegedCreators: false,
  redactsInContent: false,
  redaction: REDACTION_V1,
  depthMax: 2n ** 63n - 1n,
  strictByteLimits: false,
}
const V2: RoomVersion = { ...V1, id: '2', stateResolution: 'v2' }
const V3: RoomVersion = { ...V2, id: '3', eventIdFormat: 'base64', referencesAsPairs: false, redactionInAuth: false }
const V4: RoomVersion = { ...V3, id: '4', eventIdFormat: 'base64url' }
const V5: RoomVersion = { ...V4, id: '5', enforceKeyValidity: true }
const V6: RoomVersion = {
  ...V5,
  id: '6',
  strictJson: true,
  specialAliases: false,
  guardNotifications: true,
  redaction: REDACTION_V6,
  depthMax: 2n ** 53n - 1n,
}
const V7: RoomVersion = { ...V6, id: '7', knock: true }
const V8: RoomVersion = { ...V7, id: '8', restricted: true, redaction: REDACTION_V8 }
const V9: RoomVersion = { ...V8, id: '9', redaction: REDACTION_V9 }
const V10: RoomVersion = { ...V9, id: '10', knockRestricted: true, integerLevels: true }
const V11: RoomVersion = {
  ...V10,
  id: '11',
  creatorIsSender: true,
  redactsInContent: true,
  redaction: REDACTION_V11,
  strictByteLimits: true,
}
const V12: RoomVersion = {
  ...V11,
  id: '12',
  roomIdIsCreateHash: true,
  stateResolution: 'v2.1',
  privilegedCreators: true,
}

/** Every version this server knows, by id; all of them are stable (specification: Room versions). */
export const ROOM_VERSIONS: ReadonlyMap<string, RoomVersion> = new Map(
  [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12].map((version) => [version.id, Object.freeze(version)]),
)

function redactionRules(changes: readonly (readonly [string, 'all' | readonly string[]])[]): RedactionRules {
  const content = new Map<string, 'all' | ReadonlySet<string>>()
  for (const [type, keys] of [...KEPT_BY_ALL, ...changes]) content.set(type, keys === 'all' ? keys : new Set(keys))
  return {
    topLevel: new Set([...TOP_LEVEL, 'prev_state', 'origin', 'membership']),
    content,
    memberThirdPartySigned: false,
  }
}
