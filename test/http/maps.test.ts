import { Type } from '@sinclair/typebox'
import { expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { mapOf } from '../../src/http/map-of.ts'
import { readBody } from '../../src/http/validate.ts'

const KEYS = ['plain', '', 'a\nb', 'a\r\n', '\u2028', 'é', '__proto__x']

test.each(KEYS)('what stands under the key %j is checked', (key) => {
  const schema = Type.Object({ keys: mapOf(Type.String()) })
  const body = (value: unknown) => Buffer.from(JSON.stringify({ keys: { [key]: value } }))
  expect(readBody(schema, body('text'))).toEqual({ keys: { [key]: 'text' } })
  expect(() => readBody(schema, body(5))).toThrow(expect.objectContaining({ errcode: 'M_BAD_JSON' }))
})

test('no body describes the keys of an object by a pattern, unless anything may stand under them', () => {
  const careless = ENDPOINTS.filter(({ body }) =>
    JSON.stringify(body ?? {}).includes('"patternProperties":{"^(.*)$":{"'),
  )
  expect(careless.map(({ method, path }) => `${method} ${path}`)).toEqual([])
})
