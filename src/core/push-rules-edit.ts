import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
import { MatrixError } from './matrix-error.ts'
import {
  HISTORICAL_ACTIONS,
  PUSH_RULE_KINDS,
  type PushAction,
  type PushRule,
  type PushRuleKind,
  type PushRuleset,
} from './push-rules.ts'
import { MASTER_RULE_ID } from './push-rules-default.ts'

/** Rules that one user may have beside the default ones. */
export const MAX_PUSH_RULES = 1_000
export const MAX_RULE_ID_BYTES = 255
/** Of a glob pattern, and of any other text in a rule, in bytes. */
export const MAX_PATTERN_BYTES = 1_024
export const MAX_CONDITIONS = 50
export const MAX_ACTIONS = 20
const MAX_KEYS = 20

/** Where a rule shall stand among the user's own rules of its kind: ids of such rules. */
export interface PushRulePlace {
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/** Throws M_INVALID_PARAM. */
export function pushRuleKind(text: string): PushRuleKind {
  const kind = PUSH_RULE_KINDS.find((known) => known === text)
  if (kind === undefined) throw new MatrixError('M_INVALID_PARAM', 'Unknown kind of push rule')
  return kind
}

/** Throws M_NOT_FOUND. */
export function findPushRule(ruleset: PushRuleset, kind: PushRuleKind, ruleId: string): PushRule {
  const rule = ruleset[kind].find((candidate) => candidate.rule_id === ruleId)
  if (rule === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such push rule')
  return rule
}

/**
 * The rule that the body of `PUT /pushrules/global/{kind}/{ruleId}` describes, enabled. Throws M_INVALID_PARAM,
 * M_MISSING_PARAM or M_BAD_JSON.
 */
export function newPushRule(kind: PushRuleKind, ruleId: string, body: JsonValue): PushRule {
  checkRuleId(kind, ruleId)
  if (!isObject(body)) throw new MatrixError('M_BAD_JSON', 'A push rule must be an object')
  const rule: PushRule = {
    rule_id: ruleId,
    default: false,
    enabled: true,
    actions: checkedActions(own(body, 'actions')),
  }
  if (kind === 'content') return { ...rule, pattern: checkedPattern(own(body, 'pattern')) }
  if (kind !== 'override' && kind !== 'underride') return rule
  return { ...rule, conditions: checkedConditions(own(body, 'conditions')) }
}

/**
 * The ruleset with a new or changed rule of the user. A new one without a place becomes the most important of the
 * user's rules of its kind; a changed one keeps its place, unless told otherwise, and stays disabled if it was.
 * Throws M_UNKNOWN (400) if `before` or `after` names no rule of the user, M_INVALID_PARAM if there are too many.
 */
export function putPushRule(
  ruleset: PushRuleset,
  kind: PushRuleKind,
  rule: PushRule,
  place: PushRulePlace = {},
): PushRuleset {
  const rules = ruleset[kind]
  const known = rules.findIndex((candidate) => candidate.rule_id === rule.rule_id)
  const isMoved = place.before !== undefined || place.after !== undefined
  const changed = { ...rule, enabled: rules[known]?.enabled ?? rule.enabled }
  if (known >= 0 && !isMoved) return { ...ruleset, [kind]: rules.with(known, changed) }
  if (known < 0 && countOwn(ruleset) >= MAX_PUSH_RULES) {
    throw new MatrixError('M_INVALID_PARAM', `A user may have ${MAX_PUSH_RULES} push rules`)
  }
  const others = rules.filter((candidate) => candidate.rule_id !== rule.rule_id)
  return { ...ruleset, [kind]: others.toSpliced(indexOfPlace(others, place), 0, changed) }
}

/** Throws M_NOT_FOUND, or M_INVALID_PARAM for a default rule. */
export function deletePushRule(ruleset: PushRuleset, kind: PushRuleKind, ruleId: string): PushRuleset {
  const rule = findPushRule(ruleset, kind, ruleId)
  if (rule.default) throw new MatrixError('M_INVALID_PARAM', 'A default push rule can be disabled, not deleted')
  return { ...ruleset, [kind]: ruleset[kind].filter((candidate) => candidate !== rule) }
}

/** For `PUT …/enabled`; `enabled` is what the body holds. Throws M_NOT_FOUND, M_MISSING_PARAM, M_BAD_JSON. */
export function setPushRuleEnabled(
  ruleset: PushRuleset,
  kind: PushRuleKind,
  ruleId: string,
  enabled: JsonValue | undefined,
): PushRuleset {
  if (enabled === undefined) throw new MatrixError('M_MISSING_PARAM', 'enabled is missing')
  if (typeof enabled !== 'boolean') throw new MatrixError('M_BAD_JSON', 'enabled must be true or false')
  return changeRule(ruleset, kind, ruleId, { enabled })
}

/** For `PUT …/actions`. Throws M_NOT_FOUND, M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM. */
export function setPushRuleActions(
  ruleset: PushRuleset,
  kind: PushRuleKind,
  ruleId: string,
  actions: JsonValue | undefined,
): PushRuleset {
  return changeRule(ruleset, kind, ruleId, { actions: checkedActions(actions) })
}

function changeRule(ruleset: PushRuleset, kind: PushRuleKind, ruleId: string, change: Partial<PushRule>): PushRuleset {
  const rule = findPushRule(ruleset, kind, ruleId)
  const index = ruleset[kind].indexOf(rule)
  return { ...ruleset, [kind]: ruleset[kind].with(index, { ...rule, ...change }) }
}

function checkRuleId(kind: PushRuleKind, ruleId: string): void {
  const fault = ruleIdFault(kind, ruleId)
  if (fault !== undefined) throw new MatrixError('M_INVALID_PARAM', fault)
}

function ruleIdFault(kind: PushRuleKind, ruleId: string): string | undefined {
  if (ruleId === '') return 'The id of a push rule cannot be empty'
  if (ruleId.startsWith('.')) return 'Push rules whose id starts with a dot belong to the server'
  if (ruleId.includes('/') || ruleId.includes('\\')) return 'The id of a push rule cannot hold slashes or backslashes'
  if (ruleId.includes('\0')) return 'The id of a push rule cannot hold NUL'
  if (Buffer.byteLength(ruleId) > MAX_RULE_ID_BYTES) return `The id of a push rule may have ${MAX_RULE_ID_BYTES} bytes`
  if (kind === 'sender' && !ruleId.startsWith('@')) return 'The id of a sender rule is a user id'
  return undefined
}

function checkedActions(value: JsonValue | undefined): readonly PushAction[] {
  if (value === undefined) throw new MatrixError('M_MISSING_PARAM', 'actions is missing')
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', 'actions must be an array')
  const actions = value as readonly JsonValue[]
  if (actions.length > MAX_ACTIONS) throw new MatrixError('M_INVALID_PARAM', `A rule may have ${MAX_ACTIONS} actions`)
  return actions.map(checkedAction)
}

function checkedAction(action: JsonValue): PushAction {
  if (action === 'notify' || (action !== null && HISTORICAL_ACTIONS.includes(action as PushAction)))
    return action as PushAction
  if (typeof action === 'string') throw new MatrixError('M_INVALID_PARAM', 'Unknown action')
  if (!isObject(action)) throw new MatrixError('M_BAD_JSON', 'An action is a string or an object')
  checkFlat(action, 'an action')
  if (typeof own(action, 'set_tweak') !== 'string') throw new MatrixError('M_INVALID_PARAM', 'Unknown action')
  return action
}

function checkedPattern(pattern: JsonValue | undefined): string {
  if (pattern === undefined) throw new MatrixError('M_MISSING_PARAM', 'pattern is missing')
  if (typeof pattern !== 'string') throw new MatrixError('M_BAD_JSON', 'pattern must be a string')
  checkText(pattern, 'pattern')
  return pattern
}

function checkedConditions(value: JsonValue | undefined): readonly JsonObject[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', 'conditions must be an array')
  const conditions = value as readonly JsonValue[]
  if (conditions.length > MAX_CONDITIONS) {
    throw new MatrixError('M_INVALID_PARAM', `A rule may have ${MAX_CONDITIONS} conditions`)
  }
  return conditions.map(checkedCondition)
}

/** What each kind of condition must have besides; kinds that we do not know are kept, and never hold. */
const REQUIRED_TEXTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['event_match', ['key', 'pattern']],
  ['event_property_is', ['key']],
  ['event_property_contains', ['key']],
  ['room_member_count', ['is']],
  ['sender_notification_permission', ['key']],
])

function checkedCondition(condition: JsonValue): JsonObject {
  if (!isObject(condition)) throw new MatrixError('M_BAD_JSON', 'A condition must be an object')
  const kind = own(condition, 'kind')
  if (typeof kind !== 'string') throw new MatrixError('M_BAD_JSON', 'A condition must have a kind')
  checkFlat(condition, 'a condition')
  for (const key of REQUIRED_TEXTS.get(kind) ?? []) {
    if (typeof own(condition, key) !== 'string') {
      throw new MatrixError('M_BAD_JSON', `The condition ${kind} must have the string ${key}`)
    }
  }
  if (kind.startsWith('event_property_') && own(condition, 'value') === undefined) {
    throw new MatrixError('M_BAD_JSON', `The condition ${kind} must have a value`)
  }
  return condition
}

/** Rules hold no nested values: what a user stores stays small, and nothing later needs to walk it. */
function checkFlat(object: JsonObject, what: string): void {
  const entries = Object.entries(object)
  if (entries.length > MAX_KEYS) throw new MatrixError('M_INVALID_PARAM', `There are too many keys in ${what}`)
  for (const [key, value] of entries) {
    if (typeof value === 'object' && value !== null) {
      throw new MatrixError('M_BAD_JSON', `Values in ${what} must be strings, integers, booleans or null`)
    }
    checkText(key, `a key of ${what}`)
    if (typeof value === 'string') checkText(value, `a value of ${what}`)
  }
}

function checkText(text: string, what: string): void {
  if (Buffer.byteLength(text) > MAX_PATTERN_BYTES) {
    throw new MatrixError('M_INVALID_PARAM', `The text of ${what} may have ${MAX_PATTERN_BYTES} bytes`)
  }
}

function countOwn(ruleset: PushRuleset): number {
  let count = 0
  for (const kind of PUSH_RULE_KINDS) for (const rule of ruleset[kind]) if (!rule.default) count++
  return count
}

/** If both are given, the rule becomes the next more important one than `before`. */
function indexOfPlace(others: readonly PushRule[], place: PushRulePlace): number {
  const after = place.after === undefined ? undefined : indexOfOwn(others, place.after) + 1
  if (place.before !== undefined) return indexOfOwn(others, place.before)
  if (after !== undefined) return after
  // The master rule is the only default rule above those of the user.
  return others.findLastIndex((rule) => rule.rule_id === MASTER_RULE_ID) + 1
}

function indexOfOwn(others: readonly PushRule[], ruleId: string): number {
  const index = others.findIndex((rule) => rule.rule_id === ruleId && !rule.default)
  if (index < 0) throw new MatrixError('M_UNKNOWN', `before/after rule not found: ${ruleId}`)
  return index
}
