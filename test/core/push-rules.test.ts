import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/core/json.ts'
import { type PushContext, type PushEventSource, pushEvent } from '../../src/core/push-conditions.ts'
import {
  evaluatePushRules,
  PUSH_RULE_KINDS,
  type PushRule,
  type PushRuleset,
  pushOutcome,
  pushRulesContent,
  rulesetFrom,
} from '../../src/core/push-rules.ts'
import { defaultPushRules } from '../../src/core/push-rules-default.ts'

const ME = '@me:example.org'
const MESSAGE: PushEventSource = {
  eventId: '$e',
  roomId: '!room:example.org',
  type: 'm.room.message',
  stateKey: null,
  sender: '@alice:example.org',
  originServerTs: 1,
  content: { msgtype: 'm.text', body: 'hello cake' },
}
const CONTEXT: PushContext = { userId: ME, displayName: 'Me', memberCount: 5, senderMayNotify: () => true }
const RULES = defaultPushRules(ME)
const SOUND = { set_tweak: 'sound', value: 'default' }
const HIGHLIGHT = { set_tweak: 'highlight' }

function actions(event: Partial<PushEventSource>, context: Partial<PushContext> = {}, rules: PushRuleset = RULES) {
  return evaluatePushRules(rules, pushEvent({ ...MESSAGE, ...event }), { ...CONTEXT, ...context })
}
const withContent = (content: JsonObject) => ({ content: { ...MESSAGE.content, ...content } })
const state = (type: string, stateKey: string, content: JsonObject = {}) => ({ type, stateKey, content })

describe('default rules', () => {
  test.each<[string, Partial<PushEventSource>, Partial<PushContext>, JsonValue]>([
    ['a message', {}, {}, ['notify']],
    ['an own message', { sender: ME }, {}, []],
    ['a message between two', {}, { memberCount: 2 }, ['notify', SOUND]],
    ['an encrypted event', { type: 'm.room.encrypted', content: {} }, {}, ['notify']],
    ['an encrypted event between two', { type: 'm.room.encrypted' }, { memberCount: 2 }, ['notify', SOUND]],
    ['a call', { type: 'm.call.invite' }, {}, ['notify', { set_tweak: 'sound', value: 'ring' }]],
    ['a notice', { content: { msgtype: 'm.notice', body: 'x' } }, {}, []],
    ['an invite', state('m.room.member', ME, { membership: 'invite' }), {}, ['notify', SOUND]],
    ['an invite of another', state('m.room.member', '@b:x', { membership: 'invite' }), {}, []],
    ['a join', state('m.room.member', '@b:x', { membership: 'join' }), {}, []],
    ['a mention', withContent({ 'm.mentions': { user_ids: ['@b:x', ME] } }), {}, ['notify', SOUND, HIGHLIGHT]],
    ['a mention of another', withContent({ 'm.mentions': { user_ids: ['@b:x'] } }), {}, ['notify']],
    ['@room', withContent({ 'm.mentions': { room: true } }), {}, ['notify', HIGHLIGHT]],
    ['@room as text', withContent({ 'm.mentions': { room: 'true' } }), {}, ['notify']],
    [
      '@room without power',
      withContent({ 'm.mentions': { room: true } }),
      { senderMayNotify: () => false },
      ['notify'],
    ],
    ['a name in the text', withContent({ body: `Me, ${ME}, @room` }), {}, ['notify']],
    ['a tombstone', state('m.room.tombstone', ''), {}, ['notify', HIGHLIGHT]],
    ['a tombstone that is no state', { type: 'm.room.tombstone' }, {}, []],
    ['a reaction', { type: 'm.reaction' }, {}, []],
    ['an ACL', state('m.room.server_acl', ''), {}, []],
    ['an edit', withContent({ 'm.relates_to': { rel_type: 'm.replace', event_id: '$a' } }), {}, []],
    ['a topic', state('m.room.topic', ''), {}, []],
  ])('%s', (_, event, context, expected) => {
    expect(actions(event, context)).toEqual(expected)
  })

  test('an edit that mentions somebody still tells them', () => {
    const edit = { 'm.relates_to': { rel_type: 'm.replace', event_id: '$a' }, 'm.mentions': { user_ids: [ME] } }
    expect(actions(withContent(edit))).toEqual(['notify', SOUND, HIGHLIGHT])
  })

  test('ids start with a dot and come once', () => {
    const ids = PUSH_RULE_KINDS.flatMap((kind) => RULES[kind].map((rule) => rule.rule_id))
    expect(ids).toHaveLength(15)
    expect(new Set(ids).size).toBe(15)
    expect(ids.filter((id) => !id.startsWith('.m.rule.'))).toEqual([])
    expect(ids[0]).toBe('.m.rule.master')
  })
})

describe('legacy mentions', () => {
  const legacy = defaultPushRules(ME, true)

  test('the rules stand where they stood, and are the user’s to change', () => {
    const ids = legacy.override.map((rule) => rule.rule_id.slice('.m.rule.'.length))
    expect(ids.slice(4, 8)).toEqual(['is_user_mention', 'contains_display_name', 'is_room_mention', 'roomnotif'])
    expect(legacy.content.map((rule) => rule.pattern)).toEqual(['me'])
    const content = legacy.content.map((rule) => ({ ...rule, enabled: false }))
    const stored = pushRulesContent({ ...legacy, content })
    expect(rulesetFrom(ME, stored, true)).toEqual({ ...legacy, content })
    expect(rulesetFrom(ME, stored)).toEqual(RULES)
  })

  test.each<[string, JsonObject, Partial<PushContext>, JsonValue]>([
    ['the display name', { body: 'hello Mr X!' }, { displayName: 'Mr X' }, ['notify', SOUND, HIGHLIGHT]],
    ['the local part', { body: 'hello, me' }, { displayName: 'Mr X' }, ['notify', SOUND, HIGHLIGHT]],
    ['@room', { body: 'here, @room: look' }, { displayName: 'Mr X' }, ['notify', HIGHLIGHT]],
    ['@room without power', { body: '@room' }, { senderMayNotify: () => false }, ['notify']],
    ['a part of a word', { body: 'some @roommate' }, {}, ['notify']],
    ['an event that mentions nobody', { body: 'Me @room', 'm.mentions': {} }, {}, ['notify']],
    ['an event with senseless mentions', { body: 'Me @room', 'm.mentions': null }, {}, ['notify']],
  ])('%s', (_, content, context, expected) => {
    expect(actions({ content }, context, legacy)).toEqual(expected)
  })
})

const custom = (id: string, rest: Partial<PushRule> = {}): PushRule => {
  return { rule_id: id, default: false, enabled: true, actions: [id], ...rest }
}

describe('precedence', () => {
  const rules: PushRuleset = {
    override: [custom('o', { conditions: [{ kind: 'event_match', key: 'content.level', pattern: 'o*' }] })],
    content: [custom('c', { pattern: 'CAKE' })],
    room: [custom('!quiet:example.org')],
    sender: [custom('@bob:example.org')],
    underride: [custom('off', { enabled: false }), custom('u', { conditions: [] })],
  }

  test.each<[string, Partial<PushEventSource>]>([
    ['o', withContent({ level: 'Over' })],
    ['c', { roomId: '!quiet:example.org' }],
    ['!quiet:example.org', { content: { body: 'pancakes' }, roomId: '!quiet:example.org', sender: '@bob:example.org' }],
    ['@bob:example.org', { content: {}, sender: '@bob:example.org' }],
    ['u', { content: {} }],
  ])('%s', (expected, event) => {
    expect(actions(event, {}, rules)).toEqual([expected])
  })

  test('the master rule silences everything', () => {
    const master = RULES.override.map((rule) => ({ ...rule, enabled: true }))
    expect(actions({}, {}, { ...RULES, override: master, content: [custom('c', { pattern: 'cake' })] })).toEqual([])
  })

  test('historical actions are nothing', () => {
    const override = [custom('o', { actions: ['dont_notify', 'coalesce'] })]
    expect(actions({}, {}, { ...RULES, override })).toEqual([])
  })
})

test('outcomes', () => {
  expect(pushOutcome([])).toEqual({ notify: false, highlight: false, tweaks: {} })
  const all = ['notify', SOUND, HIGHLIGHT, { set_tweak: 7 }, { other: true }, 'unknown']
  expect(pushOutcome(all)).toEqual({ notify: true, highlight: true, tweaks: { sound: 'default', highlight: true } })
  const off = pushOutcome(['notify', { set_tweak: 'highlight', value: false }, { set_tweak: '__proto__', value: 'x' }])
  expect(off.highlight).toBe(false)
  expect(Object.getPrototypeOf(off.tweaks)).toBe(Object.prototype)
})

describe('rulesetFrom', () => {
  test('nothing stored, or nonsense, is the default', () => {
    for (const stored of [undefined, {}, { global: null }, { global: [] }, { global: { override: 7, room: {} } }]) {
      expect(rulesetFrom(ME, stored as JsonObject | undefined)).toEqual(RULES)
    }
  })

  test('what is written can be read again', () => {
    const changed: PushRuleset = {
      ...RULES,
      override: [RULES.override[0]!, custom('mine', { conditions: [] }), ...RULES.override.slice(1)],
      content: [custom('c', { pattern: 'cake', enabled: false })],
      underride: RULES.underride.map((rule) => ({ ...rule, enabled: false, actions: ['notify'] })),
    }
    const stored = JSON.parse(JSON.stringify(pushRulesContent(changed)))
    expect(rulesetFrom(ME, stored)).toEqual(changed)
  })

  test('default rules keep their conditions, outdated ones go, malformed ones are dropped', () => {
    const stored = {
      global: {
        override: [
          null,
          { rule_id: '.m.rule.contains_display_name', default: true, enabled: true, actions: [], conditions: [] },
          { rule_id: '.m.rule.reaction', default: true, enabled: false, actions: ['notify'], conditions: [] },
          { rule_id: '.m.rule.evil', default: false, enabled: true, actions: [], conditions: [] },
          { rule_id: 'null', enabled: true, actions: [], conditions: [null] },
          { rule_id: 'twice', actions: [], conditions: [] },
          { rule_id: 'twice', actions: ['notify'], conditions: [] },
        ],
        content: [{ rule_id: 'nopattern', actions: [] }],
      },
    }
    const rules = rulesetFrom(ME, stored)
    expect(rules.override.filter((rule) => !rule.default)).toEqual([
      { rule_id: 'twice', default: false, enabled: true, actions: [], conditions: [] },
    ])
    expect(rules.override).toHaveLength(RULES.override.length + 1)
    expect(rules.override.find((rule) => rule.rule_id === '.m.rule.reaction')).toEqual({
      ...RULES.override.find((rule) => rule.rule_id === '.m.rule.reaction'),
      enabled: false,
      actions: ['notify'],
    })
    expect(rules.content).toEqual([])
  })
})

test('a thousand users look a property up once', () => {
  let reads = 0
  const content = new Proxy(MESSAGE.content, {
    getOwnPropertyDescriptor(target, key) {
      reads++
      return Reflect.getOwnPropertyDescriptor(target, key)
    },
  })
  const event = pushEvent({ ...MESSAGE, content })
  const users = Array.from({ length: 1_000 }, (_, index) => `@user${index}:example.org`)
  const notified = users.filter((userId) => {
    return evaluatePushRules(defaultPushRules(userId), event, { ...CONTEXT, userId }).includes('notify')
  })
  expect(notified).toHaveLength(1_000)
  expect(reads).toBeLessThan(10)
})
