import type { GlobBudget } from './glob.ts'
import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
import { conditionHolds, eventMatches, type PushContext, type PushEvent } from './push-conditions.ts'
import { defaultPushRules, LEGACY_MENTION_RULE_IDS, MASTER_RULE_ID } from './push-rules-default.ts'

/** In the order in which the rules are checked. */
export const PUSH_RULE_KINDS = ['override', 'content', 'room', 'sender', 'underride'] as const
export type PushRuleKind = (typeof PUSH_RULE_KINDS)[number]

/** `notify`, or an object with `set_tweak`; others are kept for the client and mean nothing to us. */
export type PushAction = string | JsonObject

/** As on the wire. */
export interface PushRule {
  readonly rule_id: string
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: readonly PushAction[]
  /** `override` and `underride` only. */
  readonly conditions?: readonly JsonObject[]
  /** `content` only. */
  readonly pattern?: string
}

/** The rules of one user, each kind most important first. As on the wire under `global`. */
export type PushRuleset = Readonly<Record<PushRuleKind, readonly PushRule[]>>

/** What the actions of an event come to for a user. */
export interface PushOutcome {
  readonly notify: boolean
  readonly highlight: boolean
  /** As sent to the push gateway. */
  readonly tweaks: JsonObject
}

/** What the globs of one user may spend on one event. */
const GLOB_STEPS = 2_000_000
/** Actions of an older specification: to be ignored (Client-Server API, "Historical Actions"). */
export const HISTORICAL_ACTIONS: readonly PushAction[] = ['dont_notify', 'coalesce']

/**
 * The actions of the first enabled rule that fits, or none (Client-Server API, "Push Rules"). Nobody is notified of
 * an own event. Never throws, whatever rules and event hold. Make the event once per event with `pushEvent`.
 */
export function evaluatePushRules(ruleset: PushRuleset, event: PushEvent, context: PushContext): readonly PushAction[] {
  if (event.sender === context.userId) return []
  const budget: GlobBudget = { left: GLOB_STEPS }
  for (const kind of PUSH_RULE_KINDS) {
    for (const rule of ruleset[kind]) {
      if (rule.enabled && ruleFits(kind, rule, event, context, budget)) return knownActions(rule.actions)
    }
  }
  return []
}

export function pushOutcome(actions: readonly PushAction[]): PushOutcome {
  const tweaks = new Map<string, JsonValue>()
  for (const action of actions) {
    const name = typeof action === 'string' ? undefined : own(action, 'set_tweak')
    if (typeof action === 'string' || typeof name !== 'string') continue
    const value = own(action, 'value')
    // A highlight without a value means true; any other tweak without one says nothing.
    if (value !== undefined || name === 'highlight') tweaks.set(name, value ?? true)
  }
  const highlight = tweaks.get('highlight') === true
  return { notify: actions.includes('notify'), highlight, tweaks: Object.fromEntries(tweaks) }
}

/**
 * The ruleset of a user from what is stored as `m.push_rules` (content with `global`), completed with today's default
 * rules: of those only `enabled` and `actions` are the user's. Malformed rules and outdated default rules are left out.
 */
export function rulesetFrom(userId: string, stored: JsonObject | undefined, legacyMentions = false): PushRuleset {
  const defaults = defaultPushRules(userId, legacyMentions)
  const global = stored === undefined ? undefined : own(stored, 'global')
  if (global === undefined || !isObject(global)) return defaults
  const merge = (kind: PushRuleKind) => mergedRules(storedRules(kind, own(global, kind)), defaults[kind])
  return {
    override: merge('override'),
    content: merge('content'),
    room: merge('room'),
    sender: merge('sender'),
    underride: merge('underride'),
  }
}

/** The content of the `m.push_rules` account data. */
export function pushRulesContent(ruleset: PushRuleset): JsonObject {
  return { global: ruleset as unknown as JsonObject }
}

/** What of the actions means something. */
function knownActions(actions: readonly PushAction[]): readonly PushAction[] {
  return actions.some((action) => HISTORICAL_ACTIONS.includes(action))
    ? actions.filter((action) => !HISTORICAL_ACTIONS.includes(action))
    : actions
}

function ruleFits(
  kind: PushRuleKind,
  rule: PushRule,
  event: PushEvent,
  context: PushContext,
  budget: GlobBudget,
): boolean {
  // Where an event says whom it mentions, its text is not asked (Client-Server API v1.16, "Predefined Rules").
  if (LEGACY_MENTION_RULE_IDS.has(rule.rule_id) && event.property('content.m\\.mentions') !== undefined) return false
  switch (kind) {
    case 'content':
      return eventMatches('content.body', rule.pattern, event, budget)
    case 'room':
      return rule.rule_id === event.roomId
    case 'sender':
      return rule.rule_id === event.sender
    default:
      // A rule without conditions fits every event.
      for (const condition of rule.conditions ?? []) {
        if (!conditionHolds(condition, event, context, budget)) return false
      }
      return true
  }
}

function mergedRules(stored: readonly PushRule[], defaults: readonly PushRule[]): readonly PushRule[] {
  const custom = stored.filter((rule) => !rule.default)
  const changed = new Map(stored.filter((rule) => rule.default).map((rule) => [rule.rule_id, rule]))
  const completed = defaults.map((rule) => {
    const change = changed.get(rule.rule_id)
    return change === undefined ? rule : { ...rule, enabled: change.enabled, actions: change.actions }
  })
  const isMaster = (rule: PushRule) => rule.rule_id === MASTER_RULE_ID
  return [...completed.filter(isMaster), ...custom, ...completed.filter((rule) => !isMaster(rule))]
}

function storedRules(kind: PushRuleKind, value: JsonValue | undefined): readonly PushRule[] {
  if (!Array.isArray(value)) return []
  const rules = new Map<string, PushRule>()
  for (const entry of value as readonly JsonValue[]) {
    const rule = storedRule(kind, entry)
    if (rule !== undefined && !rules.has(rule.rule_id)) rules.set(rule.rule_id, rule)
  }
  return [...rules.values()]
}

function storedRule(kind: PushRuleKind, value: JsonValue): PushRule | undefined {
  if (!isObject(value)) return undefined
  const ruleId = own(value, 'rule_id')
  const actions = own(value, 'actions')
  if (typeof ruleId !== 'string' || ruleId === '' || !Array.isArray(actions)) return undefined
  const rule: PushRule = {
    rule_id: ruleId,
    // Only the server makes rules with a dot, whatever the stored flag says.
    default: ruleId.startsWith('.'),
    enabled: own(value, 'enabled') !== false,
    actions: (actions as readonly JsonValue[]).filter((action) => typeof action === 'string' || isObject(action)),
  }
  if (kind === 'content') {
    const pattern = own(value, 'pattern')
    return typeof pattern === 'string' ? { ...rule, pattern } : undefined
  }
  if (kind !== 'override' && kind !== 'underride') return rule
  const conditions = own(value, 'conditions') ?? []
  // A condition that is no object would never hold: dropping it would make the rule fit more, so the rule goes.
  if (!Array.isArray(conditions) || !(conditions as readonly JsonValue[]).every(isObject)) return undefined
  return { ...rule, conditions }
}
