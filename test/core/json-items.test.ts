import fc from 'fast-check'
import { expect, test } from 'vitest'
import { holdsMoreThan, itemsOf } from '../../src/core/json-items.ts'

const items = (text: string, key = 'pdus') => [...itemsOf(Buffer.from(text), key)].map((item) => `${Buffer.from(item)}`)

test('are counted before anything is read, and never too few', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(20), (value, limit) => {
      let values = -1
      JSON.parse(JSON.stringify(value), () => void values++)
      if (values > limit) expect(holdsMoreThan(Buffer.from(JSON.stringify(value)), limit)).toBe(true)
    }),
  )
  expect(holdsMoreThan(Buffer.from('[1,2,3]'), 3)).toBe(false)
  expect(holdsMoreThan(Buffer.from('[1,2,3]'), 2)).toBe(true)
})

test('are those that the whole text has, however it is written', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(fc.jsonValue()), fc.jsonValue(), fc.nat(2), (before, list, after, indent) => {
      const text = JSON.stringify({ '\\"[{': before, pdus: list, pdu: after, pdu_ids: ['x'] }, null, indent)
      expect(items(text).map((item) => JSON.parse(item))).toEqual(JSON.parse(text).pdus)
    }),
  )
})

test('of a key that is written with escapes, too', () => {
  expect(items('{ "\\u0070dus" : [ 1 , {"a":["]"]} ] }')).toEqual(['1', '{"a":["]"]}'])
})

test('deep and long ones are passed without recursion, and in time', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  expect(items(`{"a":${deep},"pdus":[${deep}]}`)).toEqual([deep])
  const quotes = JSON.stringify('\\"'.repeat(500_000))
  expect(items(`{"pdus":[${quotes},2]}`)).toEqual([quotes, '2'])
})

test.each([
  '',
  '[',
  '{',
  '[1]',
  '"pdus"',
  '{"pdus"',
  '{"pdus":',
  '{"pdus":5}',
  '{"pdus":{"pdus":[1]}}',
  '{pdus:[1]}',
  '{"x":[1',
])('there are none in %s', (text) => {
  expect(items(text)).toEqual([])
})

test('what is cut off, or no JSON, ends somewhere', () => {
  const text = '{"x":{"y":"\\""},"pdus":[{"a":"b\\\\"},[1,2],"c",null] }'
  for (let length = 0; length < text.length; length++) items(text.slice(0, length))
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      for (const item of itemsOf(Buffer.concat([Buffer.from('{"pdus":['), bytes]), 'pdus'))
        expect(item.length).toBeGreaterThan(0)
    }),
  )
})
