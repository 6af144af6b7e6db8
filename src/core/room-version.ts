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
