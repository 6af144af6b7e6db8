import type { PushRule, PushRuleset } from './push-rules.ts'

const SOUND = { set_tweak: 'sound', value: 'default' } as const
const HIGHLIGHT = { set_tweak: 'highlight' } as const

/** Rules whose text is the same for every user are shared, so that a thousand users cost a few objects each. */
const MASTER = rule('.m.rule.master', [], [], false)
const SUPPRESS_NOTICES = rule('.m.rule.suppress_notices', [match('content.msgtype', 'm.notice')], [])
const MEMBER_EVENT = rule('.m.rule.member_event', [match('type', 'm.room.member')], [])
const IS_ROOM_MENTION = rule(
  '.m.rule.is_room_mention',
  [
    { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
    { kind: 'sender_notification_permission', key: 'room' },
  ],
  ['notify', HIGHLIGHT],
)
const LEGACY_ROOM_MENTION = rule(
  '.m.rule.roomnotif',
  [match('content.body', '@room'), { kind: 'sender_notification_permission', key: 'room' }],
  ['notify', HIGHLIGHT],
)
const LEGACY_DISPLAY_NAME = rule(
  '.m.rule.contains_display_name',
  [{ kind: 'contains_display_name' }],
  ['notify', SOUND, HIGHLIGHT],
)
const LEGACY_USER_NAME_ID = '.m.rule.contains_user_name'
const TOMBSTONE = rule(
  '.m.rule.tombstone',
  [match('type', 'm.room.tombstone'), match('state_key', '')],
  ['notify', HIGHLIGHT],
)
const REACTION = rule('.m.rule.reaction', [match('type', 'm.reaction')], [])
const SERVER_ACL = rule('.m.rule.room.server_acl', [match('type', 'm.room.server_acl'), match('state_key', '')], [])
const SUPPRESS_EDITS = rule(
  '.m.rule.suppress_edits',
  [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }],
  [],
)

const UNDERRIDE: readonly PushRule[] = [
  rule('.m.rule.call', [match('type', 'm.call.invite')], ['notify', { set_tweak: 'sound', value: 'ring' }]),
  rule(
    '.m.rule.encrypted_room_one_to_one',
    [{ kind: 'room_member_count', is: '2' }, match('type', 'm.room.encrypted')],
    ['notify', SOUND],
  ),
  rule(
    '.m.rule.room_one_to_one',
    [{ kind: 'room_member_count', is: '2' }, match('type', 'm.room.message')],
    ['notify', SOUND],
  ),
  rule('.m.rule.message', [match('type', 'm.room.message')], ['notify']),
  rule('.m.rule.encrypted', [match('type', 'm.room.encrypted')], ['notify']),
]

/** Rules up to v1.16 of the specification that look for names in the text: for events without `m.mentions` only. */
export const LEGACY_MENTION_RULE_IDS: ReadonlySet<string> = new Set([
  LEGACY_DISPLAY_NAME.rule_id,
  LEGACY_USER_NAME_ID,
  LEGACY_ROOM_MENTION.rule_id,
])

/**
 * The server-default rules of the user (Client-Server API v1.19, "Predefined Rules"), most important first; with legacy
 * mentions those of v1.16, which MSC4210 removed, as well.
 */
export function defaultPushRules(userId: string, legacyMentions = false): PushRuleset {
  const inviteForMe = rule(
    '.m.rule.invite_for_me',
    [match('type', 'm.room.member'), match('content.membership', 'invite'), match('state_key', userId)],
    ['notify', SOUND],
  )
  const isUserMention = rule(
    '.m.rule.is_user_mention',
    [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId }],
    ['notify', SOUND, HIGHLIGHT],
  )
  const override = [
    MASTER,
    SUPPRESS_NOTICES,
    inviteForMe,
    MEMBER_EVENT,
    isUserMention,
    ...(legacyMentions ? [LEGACY_DISPLAY_NAME] : []),
    IS_ROOM_MENTION,
    ...(legacyMentions ? [LEGACY_ROOM_MENTION] : []),
    TOMBSTONE,
    REACTION,
    SERVER_ACL,
    SUPPRESS_EDITS,
  ]
  const content = legacyMentions ? [legacyUserName(userId)] : []
  return { override, content, room: [], sender: [], underride: UNDERRIDE }
}

/** The one default rule that stands above the rules of the user. */
export const MASTER_RULE_ID = MASTER.rule_id

function legacyUserName(userId: string): PushRule {
  const pattern = userId.slice(1, userId.indexOf(':'))
  return { rule_id: LEGACY_USER_NAME_ID, default: true, enabled: true, pattern, actions: ['notify', SOUND, HIGHLIGHT] }
}

type Conditions = NonNullable<PushRule['conditions']>

function rule(ruleId: string, conditions: Conditions, actions: PushRule['actions'], enabled = true): PushRule {
  return { rule_id: ruleId, default: true, enabled, conditions, actions }
}

function match(key: string, pattern: string): Conditions[number] {
  return { kind: 'event_match', key, pattern }
}
