import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/core/json.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import type { PushRuleKind, PushRuleset } from '../../src/core/push-rules.ts'
import { defaultPushRules } from '../../src/core/push-rules-default.ts'
import {
  deletePushRule,
  findPushRule,
  MAX_PATTERN_BYTES,
  MAX_PUSH_RULES,
  MAX_RULE_ID_BYTES,
  newPushRule,
  type PushRulePlace,
  pushRuleKind,
  putPushRule,
  setPushRuleActions,
  setPushRuleEnabled,
} from '../../src/core/push-rules-edit.ts'

const RULES = defaultPushRules('@me:x')

function errcodeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof MatrixError) return `${error.status} ${error.errcode}`
    throw error
  }
  return 'nothing thrown'
}

function put(ruleset: PushRuleset, ruleId: string, place?: PushRulePlace, kind: PushRuleKind = 'override') {
  return putPushRule(ruleset, kind, newPushRule(kind, ruleId, { actions: [], pattern: 'x' }), place)
}
const ownIds = (ruleset: PushRuleset) => ruleset.override.filter((rule) => !rule.default).map((rule) => rule.rule_id)
const three = () => ['c', 'b', 'a'].reduce((ruleset, id) => put(ruleset, id), RULES)

describe('newPushRule', () => {
  test('keeps what belongs to the kind, and nothing else', () => {
    const conditions = [{ kind: 'event_match', key: 'type', pattern: '*' }]
    const body = { actions: ['notify', 'dont_notify'], conditions, pattern: 'cake', rule_id: 'other', default: true }
    const base = { rule_id: 'id', default: false, enabled: true, actions: ['notify', 'dont_notify'] }
    expect(newPushRule('override', 'id', body)).toEqual({ ...base, conditions })
    expect(newPushRule('underride', 'id', { actions: ['dont_notify'] })).toEqual({
      ...base,
      actions: ['dont_notify'],
      conditions: [],
    })
    expect(newPushRule('content', 'id', body)).toEqual({ ...base, pattern: 'cake' })
    expect(newPushRule('room', '!r:x', body)).toEqual({ ...base, rule_id: '!r:x' })
  })

  test.each<[string, PushRuleKind, string]>([
    ['empty', 'override', ''],
    ['dot', 'override', '.mine'],
    ['slash', 'override', 'a/b'],
    ['backslash', 'override', 'a\\b'],
    ['NUL', 'override', 'a\0b'],
    ['too long', 'override', 'é'.repeat(128)],
    ['no user id', 'sender', 'bob'],
  ])('a rule id that is refused: %s', (_, kind, ruleId) => {
    expect(errcodeOf(() => newPushRule(kind, ruleId, { actions: [] }))).toBe('400 M_INVALID_PARAM')
  })

  test.each<[string, JsonValue]>([
    ['400 M_BAD_JSON', null],
    ['400 M_BAD_JSON', []],
    ['400 M_MISSING_PARAM', {}],
    ['400 M_BAD_JSON', { actions: 'notify' }],
    ['400 M_BAD_JSON', { actions: [null] }],
    ['400 M_BAD_JSON', { actions: [['notify']] }],
    ['400 M_INVALID_PARAM', { actions: ['explode'] }],
    ['400 M_INVALID_PARAM', { actions: [{}] }],
    ['400 M_INVALID_PARAM', { actions: [{ set_tweak: 7 }] }],
    ['400 M_BAD_JSON', { actions: [{ set_tweak: 'sound', value: { deep: [] } }] }],
    ['400 M_INVALID_PARAM', { actions: Array.from({ length: 21 }, () => 'notify') }],
    ['400 M_BAD_JSON', { actions: [], conditions: null }],
    ['400 M_BAD_JSON', { actions: [], conditions: [null] }],
    ['400 M_BAD_JSON', { actions: [], conditions: [{}] }],
    ['400 M_BAD_JSON', { actions: [], conditions: [{ kind: 'event_match', key: 'type' }] }],
    ['400 M_BAD_JSON', { actions: [], conditions: [{ kind: 'event_property_is', key: 'type' }] }],
    ['400 M_BAD_JSON', { actions: [], conditions: [{ kind: 'event_property_is', key: 'type', value: [] }] }],
    ['400 M_INVALID_PARAM', { actions: [], conditions: Array.from({ length: 51 }, () => ({ kind: 'x' })) }],
    ['400 M_INVALID_PARAM', { actions: [], conditions: [{ kind: 'x', text: 'x'.repeat(MAX_PATTERN_BYTES + 1) }] }],
    ['nothing thrown', { actions: [], conditions: [{ kind: 'org.example.new', anything: 'x' }] }],
    ['nothing thrown', { actions: [], conditions: [{ kind: 'constructor' }] }],
  ])('%s for %j', (expected, body) => {
    expect(errcodeOf(() => newPushRule('override', 'id', body))).toBe(expected)
  })

  test('a content rule needs a pattern within the limit', () => {
    const withPattern = (pattern: JsonValue) => () => newPushRule('content', 'id', { actions: [], pattern })
    expect(errcodeOf(() => newPushRule('content', 'id', { actions: [] }))).toBe('400 M_MISSING_PARAM')
    expect(errcodeOf(withPattern(7))).toBe('400 M_BAD_JSON')
    expect(errcodeOf(withPattern('x'.repeat(MAX_PATTERN_BYTES + 1)))).toBe('400 M_INVALID_PARAM')
    expect(withPattern('x'.repeat(MAX_PATTERN_BYTES))().pattern).toHaveLength(MAX_PATTERN_BYTES)
    expect(newPushRule('content', 'x'.repeat(MAX_RULE_ID_BYTES), { actions: [], pattern: '' }).pattern).toBe('')
  })
})

describe('places', () => {
  test('a new rule is the most important of the user, below the master rule', () => {
    expect(ownIds(three())).toEqual(['a', 'b', 'c'])
    expect(
      three()
        .override.slice(0, 2)
        .map((rule) => rule.rule_id),
    ).toEqual(['.m.rule.master', 'a'])
    expect(put(put(RULES, 'a', undefined, 'content'), 'b', undefined, 'content').content[0]?.rule_id).toBe('b')
  })

  test.each<[string, PushRulePlace, string[]]>([
    ['new', { before: 'b' }, ['a', 'new', 'b', 'c']],
    ['new', { after: 'b' }, ['a', 'b', 'new', 'c']],
    ['new', { after: 'c' }, ['a', 'b', 'c', 'new']],
    ['new', { before: 'c', after: 'a' }, ['a', 'b', 'new', 'c']],
    ['c', { before: 'a' }, ['c', 'a', 'b']],
    ['a', { after: 'c' }, ['b', 'c', 'a']],
    ['b', {}, ['a', 'b', 'c']],
  ])('%s at %j', (ruleId, place, expected) => {
    expect(ownIds(put(three(), ruleId, place))).toEqual(expected)
  })

  test.each<[PushRulePlace]>([[{ before: 'none' }], [{ after: 'none' }], [{ after: '.m.rule.reaction' }]])(
    'no place at %j',
    (place) => {
      expect(errcodeOf(() => put(three(), 'new', place))).toBe('400 M_UNKNOWN')
    },
  )

  test('a rule has no place beside itself', () => {
    expect(errcodeOf(() => put(three(), 'a', { before: 'a' }))).toBe('400 M_UNKNOWN')
  })

  test('a changed rule stays disabled', () => {
    const disabled = setPushRuleEnabled(three(), 'override', 'b', false)
    const changed = putPushRule(disabled, 'override', newPushRule('override', 'b', { actions: ['notify'] }))
    expect(findPushRule(changed, 'override', 'b')).toMatchObject({ enabled: false, actions: ['notify'] })
  })

  test('the number of rules is limited, over all kinds', () => {
    let ruleset = RULES
    for (let index = 0; index < MAX_PUSH_RULES; index++) {
      ruleset = put(ruleset, `r${index}`, undefined, index % 2 ? 'content' : 'override')
    }
    expect(errcodeOf(() => put(ruleset, 'one more', undefined, 'underride'))).toBe('400 M_INVALID_PARAM')
    expect(ownIds(put(ruleset, 'r0'))).toHaveLength(MAX_PUSH_RULES / 2)
  })
})

describe('changes', () => {
  test('kinds', () => {
    expect(pushRuleKind('sender')).toBe('sender')
    for (const kind of ['constructor', 'device', '']) {
      expect(errcodeOf(() => pushRuleKind(kind))).toBe('400 M_INVALID_PARAM')
    }
  })

  test('deleting', () => {
    expect(ownIds(deletePushRule(three(), 'override', 'b'))).toEqual(['a', 'c'])
    expect(errcodeOf(() => deletePushRule(three(), 'content', 'b'))).toBe('404 M_NOT_FOUND')
    expect(errcodeOf(() => deletePushRule(RULES, 'override', '.m.rule.master'))).toBe('400 M_INVALID_PARAM')
  })

  test('default rules can be switched and given actions, and the shared ones stay as they are', () => {
    const changed = setPushRuleActions(
      setPushRuleEnabled(RULES, 'override', '.m.rule.master', true),
      'underride',
      '.m.rule.message',
      [{ set_tweak: 'sound', value: 'x' }],
    )
    expect(findPushRule(changed, 'override', '.m.rule.master').enabled).toBe(true)
    expect(findPushRule(changed, 'underride', '.m.rule.message').actions).toEqual([{ set_tweak: 'sound', value: 'x' }])
    expect(findPushRule(defaultPushRules('@me:x'), 'override', '.m.rule.master').enabled).toBe(false)
  })

  test('wrong values', () => {
    const enable = (value: JsonValue | undefined) => () => setPushRuleEnabled(three(), 'override', 'a', value)
    expect(errcodeOf(enable(undefined))).toBe('400 M_MISSING_PARAM')
    expect(errcodeOf(enable('true'))).toBe('400 M_BAD_JSON')
    expect(errcodeOf(() => setPushRuleEnabled(three(), 'override', 'z', true))).toBe('404 M_NOT_FOUND')
    expect(errcodeOf(() => setPushRuleActions(three(), 'override', 'a', undefined))).toBe('400 M_MISSING_PARAM')
    expect(errcodeOf(() => setPushRuleActions(three(), 'override', 'z', []))).toBe('404 M_NOT_FOUND')
  })
})
