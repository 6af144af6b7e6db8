import type { JsonValue } from './json.ts'
import { rawNumber } from './raw-number.ts'

/**
 * Finds what may be a number that `JSON.parse` would change: `-0`, a fraction, an exponent, or 16 digits and more.
 * It may find such a thing inside a string; it never misses one.
 */
export const LOSSY_NUMBER = /(?:^|[:,[\s])(?:-0|-?(?:0|[1-9][0-9]*)[.eE]|-?[1-9][0-9]{15})/

const SCALAR = /[^\s,:[\]{}"]+/y
const WHITE_SPACE = ' \t\n\r'

interface OpenContainer {
  /** undefined: an object. */
  readonly items: JsonValue[] | undefined
  readonly entries: [string, JsonValue][]
  /** undefined: the next string is a key. */
  key: string | undefined
}

/**
 * Parses like `JSON.parse`, but keeps numbers that it would change as their text. A loop, so that no depth overflows
 * the stack. Throws SyntaxError.
 */
export function parseLossless(text: string): JsonValue {
  // The native parser judges the grammar, so that this one only has to find its way through valid text.
  JSON.parse(text)
  const open: OpenContainer[] = []
  let at = 0
  let result: JsonValue = null
  while (at < text.length) {
    const mark = text.charAt(at)
    let value: JsonValue | undefined
    if (mark === '"') {
      const end = stringEnd(text, at)
      value = JSON.parse(text.slice(at, end)) as string
      at = end
    } else if (mark === '{' || mark === '[') {
      open.push({ items: mark === '[' ? [] : undefined, entries: [], key: undefined })
      at++
    } else if (mark === '}' || mark === ']') {
      value = closed(open.pop())
      at++
    } else if (mark === ',' || mark === ':' || WHITE_SPACE.includes(mark)) {
      at++
    } else {
      SCALAR.lastIndex = at
      const token = SCALAR.exec(text)?.[0] ?? ''
      value = scalar(token)
      at += token.length
    }
    if (value !== undefined) result = placed(open.at(-1), value)
  }
  return result
}

/** Puts a value into the container around it, or keeps it as the key of the next value. */
function placed(outer: OpenContainer | undefined, value: JsonValue): JsonValue {
  if (outer === undefined) return value
  if (outer.items !== undefined) outer.items.push(value)
  else if (outer.key === undefined) outer.key = value as string
  else {
    outer.entries.push([outer.key, value])
    outer.key = undefined
  }
  return value
}

function closed(container: OpenContainer | undefined): JsonValue {
  // `fromEntries` defines each key as data, `__proto__` too, and the last of duplicate keys wins.
  return container?.items ?? Object.fromEntries(container?.entries ?? [])
}

function stringEnd(text: string, start: number): number {
  let at = text.indexOf('"', start + 1)
  while (isEscaped(text, at)) at = text.indexOf('"', at + 1)
  return at + 1
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++
  return backslashes % 2 === 1
}

function scalar(token: string): JsonValue {
  if (token === 'null') return null
  if (token === 'true' || token === 'false') return token === 'true'
  const number = Number(token)
  return String(number) === token && !Object.is(number, -0) ? number : rawNumber(token)
}
