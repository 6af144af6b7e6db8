import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/core/json.ts'
import {
  compareReplacements,
  isValidReplacement,
  NO_RELATION,
  type Related,
  relationFault,
  relationOf,
} from '../../src/core/relations.ts'

const relatesTo = (value: JsonValue) => ({ 'm.relates_to': value })

describe('relationOf', () => {
  test('a thread message with reply fallback', () => {
    const relation = relationOf(
      relatesTo({
        rel_type: 'm.thread',
        event_id: '$root',
        is_falling_back: true,
        'm.in_reply_to': { event_id: '$last' },
      }),
    )
    expect(relation).toEqual({
      relType: 'm.thread',
      eventId: '$root',
      threadRoot: '$root',
      isFallingBack: true,
      inReplyTo: '$last',
      key: undefined,
    })
  })

  test('a plain reply has no type', () => {
    expect(relationOf(relatesTo({ 'm.in_reply_to': { event_id: '$a' } }))).toEqual({ ...NO_RELATION, inReplyTo: '$a' })
  })

  test('a reaction has a key, a reference has none', () => {
    const reaction = { rel_type: 'm.annotation', event_id: '$a', key: '👍' }
    expect(relationOf(relatesTo(reaction))).toMatchObject({ relType: 'm.annotation', key: '👍' })
    expect(relationOf(relatesTo({ ...reaction, rel_type: 'm.reference' })).key).toBeUndefined()
  })

  test.each([
    [null],
    ['$a'],
    [[]],
    [{}],
    [{ rel_type: 'm.thread' }],
    [{ event_id: '$a' }],
    [{ rel_type: '', event_id: '$a' }],
    [{ rel_type: 7, event_id: '$a' }],
    [{ rel_type: 'm.thread', event_id: 'a' }],
    [{ rel_type: 'm.thread', event_id: ['$a'] }],
    [{ rel_type: 'm.thread', event_id: `$${'a'.repeat(255)}` }],
    [{ rel_type: 'x'.repeat(256), event_id: '$a' }],
    [{ 'm.in_reply_to': null }],
    [{ 'm.in_reply_to': { event_id: 3 } }],
    [JSON.parse('{"__proto__":{"rel_type":"m.thread","event_id":"$a"}}')],
  ])('%j is no relation', (value) => {
    expect(relationOf(relatesTo(value as JsonValue))).toEqual(NO_RELATION)
  })
})

describe('replacements', () => {
  const original: Related = {
    eventId: '$one',
    roomId: '!r',
    sender: '@a:x',
    type: 'm.room.message',
    stateKey: null,
    originServerTs: 1,
    content: { body: 'one' },
  }
  const edit: Related = {
    ...original,
    eventId: '$two',
    content: { 'm.new_content': { body: 'two' }, ...relatesTo({ rel_type: 'm.replace', event_id: '$one' }) },
  }

  test('an edit by the author counts', () => {
    expect(isValidReplacement(original, edit)).toBe(true)
  })

  test.each<[string, Partial<Related>, Partial<Related>]>([
    ['another sender', {}, { sender: '@b:x' }],
    ['another room', {}, { roomId: '!s' }],
    ['another type', {}, { type: 'm.sticker' }],
    ['a state event', { stateKey: '' }, {}],
    ['an edit that is a state event', {}, { stateKey: '' }],
    ['another target', { eventId: '$three' }, {}],
    ['no new content', {}, { content: relatesTo({ rel_type: 'm.replace', event_id: '$one' }) }],
    ['an edit of an edit', { content: relatesTo({ rel_type: 'm.replace', event_id: '$zero' }) }, {}],
  ])('%s: does not', (_, ofOriginal, ofEdit) => {
    expect(isValidReplacement({ ...original, ...ofOriginal }, { ...edit, ...ofEdit })).toBe(false)
  })

  test('an encrypted edit hides its new content', () => {
    const type = 'm.room.encrypted'
    const content = relatesTo({ rel_type: 'm.replace', event_id: '$one' })
    expect(isValidReplacement({ ...original, type }, { ...edit, type, content })).toBe(true)
  })

  test('the latest is the one with the greatest timestamp, then event id', () => {
    const edits = [
      { originServerTs: 2, eventId: '$a' },
      { originServerTs: 1, eventId: '$z' },
      { originServerTs: 2, eventId: '$B' },
    ]
    expect(edits.sort(compareReplacements).map(({ eventId }) => eventId)).toEqual(['$z', '$B', '$a'])
  })
})

test('a thread starts only from an event without a relation type', () => {
  const thread = relationOf(relatesTo({ rel_type: 'm.thread', event_id: '$a' }))
  const reply = relationOf(relatesTo({ 'm.in_reply_to': { event_id: '$a' } }))
  const reaction = relationOf(relatesTo({ rel_type: 'm.annotation', event_id: '$a', key: 'x' }))
  expect(relationFault(thread, thread)).toContain('thread')
  expect(relationFault(thread, reply)).toBeUndefined()
  expect(relationFault(thread, NO_RELATION)).toBeUndefined()
  expect(relationFault(reaction, thread)).toBeUndefined()
})
