import type { Chance } from './random.ts'

/** JSON texts: what a parser takes that is not JSON, and numbers that JavaScript would change, can stand among them. */
export type JsonText = string

const LONG = 70_000
const MANY = 1_001
const DEEP = 5_000

/** Texts at the ends of the limits, and texts that mean something to somebody. */
const STRINGS: readonly string[] = [
  ...[
    '',
    ' ',
    '\0',
    'a\0b',
    '.',
    '..',
    '../../etc/passwd',
    '%',
    '%s%n',
    '%00',
    '*',
    '?',
    '\\',
    '"',
    "'; DROP TABLE x; --",
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'null', 'undefined', 'NaN', 'true', '0', '-1', '1e999'],
  ...[
    '@',
    '!',
    '#',
    '$',
    ':',
    '@:',
    '@a',
    '!a',
    '#a',
    '$a',
    '@a:',
    '@:b',
    '@a:b:c:d',
    '@\0:test.example',
    '@A:test.example',
  ],
  ...['@x:[::1]', '!x:127.0.0.1', '#x:0x7f.1', '@x:nowhere.example', '#x:nowhere.example', '!x:nowhere.example'],
  ...['s', 't1_', 's1_', 's99999999999999999999_.0', 't-1_-1', 'm.room.member', 'm.room.power_levels', 'm.room.create'],
  ...[
    'mxc://',
    'mxc://a/b',
    'https://127.0.0.1/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    '\u202e',
    '🏳️‍🌈',
    'İ',
    'ﬁ',
  ],
  ...[255, 256, 257, 1_024, LONG].map((length) => 'x'.repeat(length)),
  `@${'u'.repeat(300)}:test.example`,
  `${'*a'.repeat(20)}*b`,
  'é'.repeat(128),
]

const NUMBERS: readonly JsonText[] = [
  ...['0', '-0', '-1', '1', '1.5', '1e2', '100', '101', '1000000', '2147483647', '2147483648', '-2147483649'],
  ...['9007199254740991', '9007199254740992', '-9007199254740993', '18446744073709551616', '1e308', '1e999'],
]

const REPEATED = (one: string, times: number) => Array.from({ length: times }, () => one).join(',')

const STRUCTURES: readonly JsonText[] = [
  ...['null', 'true', 'false', '[]', '{}', '[null]', '[[]]', '[{}]', '{"":""}', '{"__proto__":{"admin":true}}'],
  ...['{"constructor":{"prototype":{"x":1}}}', '{"a":1,"a":2}', '"\\ud800"', '["\\udfff\\ud800"]', '{"\\ud800":1}'],
  `[${REPEATED('1', MANY)}]`,
  `[${REPEATED('"@a:b.example"', MANY)}]`,
  `{${Array.from({ length: MANY }, (_one, n) => `"k${n}":{}`).join(',')}}`,
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
  `${'['.repeat(200)}${']'.repeat(200)}`,
]

/** Bodies that are no JSON object at all, or only nearly. */
export const BODIES: readonly (string | Uint8Array)[] = [
  ...['', ' ', '{', '}', '[', '"', 'null', 'true', '0', '[]', '"{}"', 'NaN', '{"a":NaN}', '{"a":Infinity}', '{a:1}'],
  ...["{'a':1}", '{"a":1}garbage', '{"a":1,}', '{"a":01}', '{"a":"\t"}', '{"a":"\\x"}', '\ufeff{}', '// {}', 'a=1&b=2'],
  ...[Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), Buffer.from([0]), Buffer.from([0xed, 0xa0, 0x80])],
  `{"a":"${'x'.repeat(300_000)}"}`,
  '{'.repeat(10_000),
]

/** What stands in the place of a parameter of the path, percent-encoded already. */
const RAW_PARAMETERS: readonly string[] = ['%', '%ff', '%00', '%2F', '%2e%2e', '%ED%A0%80', '%zz', ';', '&', '%25']

export function hostileString(chance: Chance): string {
  return chance.pick(STRINGS)
}

export function hostileJson(chance: Chance): JsonText {
  const kind = chance.below(4)
  if (kind === 0) return chance.pick(NUMBERS)
  return kind === 1 ? chance.pick(STRUCTURES) : JSON.stringify(hostileString(chance))
}

export function hostileParameter(chance: Chance): string {
  return chance.happens(0.3) ? chance.pick(RAW_PARAMETERS) : encoded(hostileString(chance).slice(0, 2_000))
}

export function encoded(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'))
}

/** JSON of no particular shape. */
export function anyJson(chance: Chance, depth = 0): JsonText {
  if (depth > 3 || chance.happens(0.4)) return hostileJson(chance)
  const parts = Array.from({ length: chance.below(4) }, () => anyJson(chance, depth + 1))
  if (chance.happens(0.4)) return `[${parts.join(',')}]`
  return `{${parts.map((part) => `${JSON.stringify(hostileString(chance).slice(0, 300))}:${part}`).join(',')}}`
}
