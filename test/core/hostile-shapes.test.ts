import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventFilterMatches, parseEventFilter, parseFilter } from '../../src/core/filter.ts'
import { type JsonObject, type JsonValue, parseJson } from '../../src/core/json.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import { notificationLevel, type PushContext, pushEvent } from '../../src/core/push-conditions.ts'
import { evaluatePushRules, pushOutcome, rulesetFrom } from '../../src/core/push-rules.ts'
import { newPushRule, putPushRule } from '../../src/core/push-rules-edit.ts'
import { relationOf } from '../../src/core/relations.ts'
import { pruneStrippedState } from '../../src/core/stripped-state.ts'
import { historyVisibilityOf } from '../../src/core/visibility.ts'

/** Keys that code looks for, and keys that JavaScript has ideas about. */
const KEYS = [
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''],
  ...['kind', 'key', 'pattern', 'value', 'is', 'actions', 'conditions', 'rule_id', 'enabled', 'default', 'set_tweak'],
  ...['global', 'override', 'content', 'room', 'sender', 'underride', 'notifications', 'history_visibility'],
  ...['m.relates_to', 'rel_type', 'event_id', 'm.in_reply_to', 'm.mentions', 'user_ids', 'body', 'url', 'type'],
  ...['state_key', 'timeline', 'state', 'limit', 'types', 'not_types', 'senders', 'rooms', 'contains_url', 'presence'],
]
const TEXTS = ['event_match', 'event_property_is', 'event_property_contains', 'room_member_count', 'notify', '@a:x']
const MORE_TEXTS = [
  '!r:x',
  '$e',
  'content.body',
  'content.m\\.mentions.user_ids',
  '*',
  '?*?',
  '<=3',
  '\ud800',
  '\0',
  '',
]

const { tree } = fc.letrec<{ tree: JsonValue; leaf: JsonValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.constantFrom(...KEYS), tie('tree')), { maxLength: 6 }).map(jsonObject),
  ),
  leaf: fc.constantFrom<JsonValue[]>(null, true, false, 0, -1, 1.5, 2 ** 53, ...KEYS, ...TEXTS, ...MORE_TEXTS),
}))
const object = fc.array(fc.tuple(fc.constantFrom(...KEYS), tree), { maxLength: 12 }).map(jsonObject)

/** Rules of about the right shape, with anything in their places. */
const rule = fc.tuple(object, fc.array(tree, { maxLength: 3 }), fc.array(object, { maxLength: 3 })).map(
  ([rest, actions, conditions]): JsonObject => ({
    ...rest,
    rule_id: 'r',
    enabled: true,
    pattern: '*',
    actions,
    conditions,
  }),
)
const stored = fc
  .array(rule, { maxLength: 4 })
  .map((rules): JsonObject => ({ global: { override: rules, content: rules } }))

const CONTEXT: PushContext = { userId: '@me:x', displayName: 'Me', memberCount: 3, senderMayNotify: () => false }
const EVENT = { eventId: '$e', roomId: '!r:x', type: 'm.x', stateKey: null, sender: '@a:x', originServerTs: 1 }

test('what clients send is parsed or refused as a Matrix error', () => {
  fc.assert(
    fc.property(fc.oneof(tree, rule), fc.constantFrom(...KEYS, ...MORE_TEXTS), (value, ruleId) => {
      refusedAtMost(() => parseFilter(value))
      refusedAtMost(() => eventFilterMatches(parseEventFilter(value), { type: 'm.x', content: JSON.stringify(value) }))
      for (const kind of ['override', 'content', 'sender'] as const) {
        refusedAtMost(() => putPushRule(rulesetFrom('@me:x', undefined), kind, newPushRule(kind, ruleId, value)))
      }
    }),
    { numRuns: 500 },
  )
})

test('what servers send and what is stored is read without any error', () => {
  fc.assert(
    fc.property(object, fc.oneof(object, stored), tree, (content, userRules, value) => {
      const rules = rulesetFrom('@me:x', userRules)
      const actions = evaluatePushRules(rules, pushEvent({ ...EVENT, content }), CONTEXT)
      expect(typeof pushOutcome(actions).notify).toBe('boolean')
      expect(relationOf(content)).toHaveProperty('relType')
      expect(historyVisibilityOf(content)).toBeTypeOf('string')
      expect(Number.isSafeInteger(notificationLevel(content, 'constructor'))).toBe(true)
      for (const event of pruneStrippedState(value)) {
        expect(Object.keys(event)).toEqual(['content', 'sender', 'state_key', 'type'])
      }
    }),
    { numRuns: 500 },
  )
})

test('the generators reach what they mean to try', () => {
  const samples = fc.sample(stored, { numRuns: 300, seed: 1 }).map((value) => rulesetFrom('@me:x', value))
  expect(samples.filter(({ override }) => override.some(({ rule_id }) => rule_id === 'r')).length).toBeGreaterThan(100)
  const bodies = fc.sample(rule, { numRuns: 1_000, seed: 1 })
  const answers = bodies.map((body) => refusedAtMost(() => newPushRule('override', 'r', body)))
  expect(new Set(answers)).toEqual(new Set(['accepted', 'M_BAD_JSON', 'M_INVALID_PARAM']))
})

function refusedAtMost(action: () => unknown): string {
  try {
    action()
    return 'accepted'
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    expect(error.status).toBe(400)
    return error.errcode
  }
}

/** Through the parser, so that `__proto__` is a key like any other. */
function jsonObject(entries: [string, JsonValue][]): JsonObject {
  const text = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')
  return parseJson(`{${text}}`) as JsonObject
}
