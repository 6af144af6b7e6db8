import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalJson,
  isDeeperThan,
  isObject,
  isRawNumber,
  type JsonObject,
  type JsonValue,
  own,
  parseJson,
  rawNumber,
  strictFault,
} from '../../src/core/json.ts'
import { parseLossless } from '../../src/core/json-lossless.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import vectors from './vectors/canonical.json' with { type: 'json' }

const canonicalOf = (source: string) => canonicalJson(parseJson(source))
const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
const errcodeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof MatrixError) return error.errcode
    throw error
  }
  return undefined
}

describe('canonicalJson', () => {
  test.each([
    ['{}', '{}'],
    ['{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'],
    ['{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe", "three_pids":
        [{"medium": "email", "address": "john.doe@example.org"}, {"medium": "msisdn", "address": "123456789"}]}}}`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":' +
        '"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{"a": "日本語"}', '{"a":"日本語"}'],
    ['{"本": 2, "日": 1}', '{"日":1,"本":2}'],
    ['{"a": "\\u65E5"}', '{"a":"日"}'],
    ['{"a": null}', '{"a":null}'],
    ['{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'],
  ])('writes the example of the specification: %s', (source, canonical) => {
    expect(canonicalOf(source)).toBe(canonical)
  })

  test('agrees with canonicaljson of PyPI on 200 objects', () => {
    expect(vectors.length).toBe(200)
    for (const { source, canonical } of vectors) {
      expect(canonicalOf(source)).toBe(canonical)
      expect(canonicalJson(parseLossless(source))).toBe(canonical)
      expect(canonicalOf(canonical)).toBe(canonical)
    }
  })

  test.each([
    [
      'code points, not units of UTF-16',
      '{"\u{10000}":1,"\uffff":2,"\ue000":3}',
      '{"\ue000":3,"\uffff":2,"\u{10000}":1}',
    ],
    ['in the order of UTF-16', '{"\u{10000}":1,"\ue000":3,"\uffff":2}', '{"\ue000":3,"\uffff":2,"\u{10000}":1}'],
    ['in order, with surrogates', '{"\uffff":2,"\u{10000}":1}', '{"\uffff":2,"\u{10000}":1}'],
    ['surrogates among themselves', '{"\u{10ffff}":1,"\u{10000}":2}', '{"\u{10000}":2,"\u{10ffff}":1}'],
    ['keys that look like numbers', '{"9":1,"10":2,"1":{"b":1,"a":2}}', '{"1":{"a":2,"b":1},"10":2,"9":1}'],
    ['prefixes', '{"ab":1,"a":2,"":3}', '{"":3,"a":2,"ab":1}'],
    ['hostile keys', '{"constructor":1,"__proto__":{"b":1,"a":2}}', '{"__proto__":{"a":2,"b":1},"constructor":1}'],
    [
      'the shortest escapes',
      '"\\u0008\\u0009\\u000a\\u000c\\u000d\\u0022\\u005c\\u002f\\u007f\\u001F"',
      '"\\b\\t\\n\\f\\r\\"\\\\/\u007f\\u001f"',
    ],
  ])('orders and escapes: %s', (_, source, canonical) => {
    expect(canonicalOf(source)).toBe(canonical)
  })

  test.each([
    ['9007199254740993', '9007199254740993'],
    ['-123456789012345678901234567890', '-123456789012345678901234567890'],
    ['1.0', '1.0'],
    ['1.50', '1.50'],
    ['1.5', '1.5'],
    ['-0', '0'],
    ['-0.0', '-0.0'],
    ['1E3', '1000'],
    ['-0e0', '0'],
    ['1e400', '1e400'],
    ['1e-2', '1e-2'],
  ])('keeps the number %s of old rooms as %s', (source, canonical) => {
    expect(canonicalOf(source)).toBe(canonical)
    expect(canonicalOf(`{"b":[ ${source}],"a":${source}}`)).toBe(`{"a":${canonical},"b":[${canonical}]}`)
  })

  test('leaves out keys without a value, in order or not', () => {
    for (const keys of [
      ['a', 'b', 'c'],
      ['c', 'b', 'a'],
    ]) {
      const object = Object.fromEntries(keys.map((key) => [key, key === 'b' ? undefined : [undefined]]))
      expect(canonicalJson(object as unknown as JsonValue)).toBe('{"a":[null],"c":[null]}')
    }
  })

  test('writes half of a surrogate pair as an escape', () => {
    expect(canonicalOf('{"\\ud800":"\\udfff"}')).toBe('{"\\ud800":"\\udfff"}')
  })

  test('knows no depth that overflows the stack', () => {
    const deep = nested(90_000)
    // The native writer recurses.
    expect(() => JSON.stringify(parseJson(deep))).toThrow(RangeError)
    expect(canonicalOf(deep)).toBe(deep)
    const objects = `${'{"b":0,"a":'.repeat(20_000)}-0.0${'}'.repeat(20_000)}`
    expect(canonicalOf(objects)).toBe(`${'{"a":'.repeat(20_000)}-0.0${',"b":0}'.repeat(20_000)}`)
  })

  test('property: sorts few and many keys of any object inside by code point', () => {
    const key = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3 }),
      fc.constantFrom('2', '10', '__proto__', '"', '\0'),
    )
    const keys = fc.uniqueArray(key, { maxLength: 60 })
    fc.assert(
      fc.property(keys, keys, (outer, inner) => {
        const byBytes = (list: string[]) =>
          [...list].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((text) => JSON.stringify(text))
        const written = `{${byBytes(inner).map((text) => `${text}:1`)}}`
        const value = `{${inner.map((item) => `${JSON.stringify(item)}:1`)}}`
        const text = `{${outer.map((name) => `${JSON.stringify(name)}:${value}`)}}`
        expect(canonicalOf(text)).toBe(`{${byBytes(outer).map((name) => `${name}:${written}`)}}`)
      }),
    )
  })

  test('writes each value once, however deep keys beyond the first plane stand', () => {
    const source = `${'{"a":'.repeat(900)}1${',"😀":2}'.repeat(900)}`
    expect(canonicalOf(source)).toBe(source)
  })

  test('property: parses back to the same value, whatever the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const canonical = canonicalJson(value as JsonValue)
        expect(canonicalJson(reversed(JSON.parse(canonical)))).toBe(canonical)
        // JSON has no negative zero of its own: it is written as 0.
        expect(JSON.parse(canonical)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('parseJson', () => {
  test('property: the lossless parser agrees with the native one', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.constantFrom(undefined, 2), (value, indent) => {
        const source = JSON.stringify(value, undefined, indent)
        expect(plain(parseLossless(source))).toEqual(JSON.parse(source))
      }),
    )
  })

  test('property: no integer loses a digit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (integer) => {
        expect(canonicalOf(`[${integer}]`)).toBe(`[${integer}]`)
      }),
    )
  })

  test.each([
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":1,}',
    "{'a':1}",
    'NaN',
    'Infinity',
    '-Infinity',
    '01',
    '1.',
    '.5',
    '+1',
    '1e',
    '"\n"',
    '"\\x"',
    '[1.0 2.0]',
    '{"a" 1.0}',
    '{1.0:1}',
    '1.0 x',
    'nul',
    '\ufeff{}',
    '[1e5',
    nested(40).slice(1),
  ])('refuses %j as M_NOT_JSON', (source) => {
    expect(errcodeOf(() => parseJson(source))).toBe('M_NOT_JSON')
    expect(errcodeOf(() => parseJson(new TextEncoder().encode(source)))).toBe('M_NOT_JSON')
  })

  test.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0x80, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xe2, 0x82, 0x22]],
  ])('refuses bytes that are not UTF-8: %j', (bytes) => {
    expect(errcodeOf(() => parseJson(Uint8Array.from(bytes)))).toBe('M_NOT_JSON')
  })

  test('reads bytes as text', () => {
    expect(parseJson(new TextEncoder().encode('{"é":"😀"}'))).toEqual({ é: '😀' })
  })

  test.each(['{"a":1,"a":2}', '{"a":1.0,"a":2}'])('lets the last of duplicate keys win: %s', (source) => {
    expect(parseJson(source)).toEqual({ a: 2 })
  })

  test.each(['{"__proto__":{"polluted":1}}', '{"__proto__":{"polluted":1},"x":1.0}'])('keeps %s as data', (source) => {
    const value = parseJson(source) as JsonObject
    expect(own(value, '__proto__')).toEqual({ polluted: 1 })
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(own(value, 'constructor')).toBeUndefined()
  })

  test('tells its own raw numbers from objects that look like them', () => {
    const value = parseJson('[{"raw":"1.0"},1.0]') as readonly JsonValue[]
    expect(isRawNumber(parseJson('-0'))).toBe(true)
    expect(value.map(isRawNumber)).toEqual([false, true])
    expect(value.map(isObject)).toEqual([true, false])
    expect(canonicalJson(value)).toBe('[{"raw":"1.0"},1.0]')
  })

  test('finds its way through strings full of quotes, brackets and numbers', () => {
    const source = JSON.stringify({ 'a\\"{1.0': ['\\', '"\\"', ',-0', '[1e5]', ':1234567890123456789'], b: 'x' })
    expect(parseLossless(source)).toEqual(JSON.parse(source))
    expect(parseJson(source)).toEqual(JSON.parse(source))
  })

  test('reads a string of megabytes beside a fraction', () => {
    const long = 'x\\'.repeat(2_000_000)
    expect(parseJson(JSON.stringify([long, 1.5]))).toEqual([long, 1.5])
  })
})

describe('strictFault', () => {
  test.each(['0', '-1', '9007199254740991', '-9007199254740991', '"\u{1f600}"', '{"a":[null,true,{"b":""}]}'])(
    'lets %s pass',
    (source) => {
      expect(strictFault(parseJson(source))).toBeUndefined()
    },
  )

  test.each(['9007199254740992', '-9007199254740992', '1.5', '1.0', '1e3', '-0', '1e400', '"\\ud800"', '"a\\udc00b"'])(
    'finds the fault of %s at the top, in an array, under a key',
    (source) => {
      for (const around of [source, `[1,${source}]`, `{"a":{"b":${source}}}`]) {
        expect(strictFault(parseJson(around))).toMatch(/safe integer|surrogate/)
      }
    },
  )

  test('finds negative zero that was never text, and keys with half a pair', () => {
    expect(strictFault([-0])).toContain('safe integer')
    expect(strictFault(parseJson('{"\\udc00":1}'))).toContain('surrogate')
    expect(strictFault([rawNumber('1')])).toContain('safe integer')
  })

  test('finds too many levels', () => {
    expect(strictFault(parseJson(nested(1000)))).toBeUndefined()
    expect(strictFault(parseJson(nested(1001)))).toContain('deeper than 1000')
    expect(strictFault(parseJson(nested(32_000)))).toContain('deeper than 1000')
    expect(strictFault(parseJson(nested(101)), 100)).toContain('deeper than 100')
  })
})

test('isDeeperThan counts objects and arrays', () => {
  for (const source of [nested(3), '{"a":[{}]}', '{"a":[{"b":1}],"c":[1.0,"x"]}']) {
    expect(isDeeperThan(parseJson(source), 3)).toBe(false)
    expect(isDeeperThan(parseJson(source), 2)).toBe(true)
  }
})

function reversed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(reversed)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  )
}

/** Raw numbers as the native parser reads them. */
function plain(value: JsonValue): unknown {
  if (isRawNumber(value)) return Number(value.raw)
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
