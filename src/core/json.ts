import { LOSSY_NUMBER, parseLossless } from './json-lossless.ts'
import { MatrixError } from './matrix-error.ts'
import { isRawNumber, type RawNumber, rawNumber } from './raw-number.ts'

export { isRawNumber, type RawNumber, rawNumber }

export type JsonValue = null | boolean | number | string | RawNumber | readonly JsonValue[] | JsonObject

/** Keys may be anything a remote server sends (`__proto__` too): read with `own()`, never `object[key]`. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Deeper events are refused: other servers stop at about this depth, and recursion over fewer levels is safe. */
export const JSON_DEPTH_MAX = 1000

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const SURROGATE = /[\ud800-\udfff]/
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * The value of a JSON text of any depth. The last of duplicate keys wins; numbers that JavaScript would change become
 * `RawNumber`. Throws MatrixError M_NOT_JSON for what is not JSON, and for bytes that are not UTF-8.
 */
export function parseJson(source: Uint8Array | string): JsonValue {
  const text = typeof source === 'string' ? source : decodeUtf8(source)
  try {
    // The native parser is a loop, and defines `__proto__` as a key like any other. What looks like a number it would
    // change may stand inside a string, which the slower parser then finds out.
    return LOSSY_NUMBER.test(text) ? parseLossless(text) : (JSON.parse(text) as JsonValue)
  } catch {
    throw new MatrixError('M_NOT_JSON', 'The text is not valid JSON')
  }
}

/**
 * Canonical JSON (Appendices, "Canonical JSON") of a value of any depth. Never throws for what `parseJson` returned.
 * Lone surrogates, which have no UTF-8 form, are written as escapes.
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, JSON_DEPTH_MAX)
}

/**
 * Why a value does not belong in events of room version 6 and later, nor in bodies of clients: numbers that are not
 * integers between −(2^53−1) and 2^53−1, lone surrogates, more than `depthMax` levels. undefined: nothing is wrong.
 */
export function strictFault(value: JsonValue, depthMax = JSON_DEPTH_MAX): string | undefined {
  return findFault(value, depthMax, numberFault)
}

/** The same for what never becomes part of an event, as settings: any number will do. */
export function looseFault(value: JsonValue): string | undefined {
  return findFault(value, JSON_DEPTH_MAX, () => undefined)
}

type NumberFault = (number: number | RawNumber) => string | undefined

function findFault(value: JsonValue, depthMax: number, ofNumber: NumberFault): string | undefined {
  let level: JsonValue[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= depthMax) return `JSON is nested deeper than ${depthMax} levels`
    const next: JsonValue[] = []
    for (const item of level) {
      const fault = faultOf(item, next, ofNumber)
      if (fault !== undefined) return fault
    }
    level = next
  }
  return undefined
}

/** Whether objects and arrays are nested deeper than so many levels. */
export function isDeeperThan(value: JsonValue, levels: number): boolean {
  let level: JsonValue[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= levels) return true
    const next: JsonValue[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue
      for (const child of Array.isArray(item) ? item : Object.values(item)) {
        if (typeof child === 'object' && child !== null && !isRawNumber(child)) next.push(child)
      }
    }
    level = next
  }
  return false
}

/** The value under an own key, or undefined. The only safe way to read a key that another machine chose. */
export function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value)
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new MatrixError('M_NOT_JSON', 'The text is not valid UTF-8')
  }
}

/** Recursive down to some levels, since the engine runs that faster than a loop, which writes what lies deeper. */
function write(value: JsonValue, levels: number): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value !== 'object' || value === null)
    return Number.isSafeInteger(value) ? `${value}` : JSON.stringify(value)
  if (levels === 0) return writeDeep(value)
  if (Array.isArray(value)) return writeArray(value as readonly JsonValue[], levels - 1)
  return isRawNumber(value) ? canonicalNumber(value.raw) : writeObject(value as JsonObject, levels - 1)
}

function writeArray(items: readonly JsonValue[], levels: number): string {
  let text = ''
  for (let at = 0; at < items.length; at++) {
    if (at > 0) text += ','
    text += write(items[at] ?? null, levels)
  }
  return `[${text}]`
}

function writeObject(object: JsonObject, levels: number): string {
  const keys = sortedByUnit(Object.keys(object))
  const plain = keys.every(isPlain)
  if (!plain && keys.some((key) => SURROGATE.test(key))) keys.sort(byCodePoint)
  let text = ''
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at] as string
    const value = object[key]
    // Keys without a value are left out as the native writer does, should a caller's types have lied.
    if (value === undefined) continue
    if (text !== '') text += ','
    text += plain ? `"${key}":` : `${JSON.stringify(key)}:`
    text += write(value, levels)
  }
  return `{${text}}`
}

/** Up to this length a search for what must be escaped takes less time than a call of the native writer. */
const SEARCHED_LENGTH_MAX = 200
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON escapes.
const ESCAPED = /["\\\0-\x1f\ud800-\udfff]/

function quoted(text: string): string {
  return isPlain(text) ? `"${text}"` : JSON.stringify(text)
}

function isPlain(text: string): boolean {
  return text.length <= SEARCHED_LENGTH_MAX && !ESCAPED.test(text)
}

/** Up to so many keys, as nearly all objects have, are sorted faster by insertion, most of all if they are in order. */
const INSERTED_KEYS_MAX = 24

/** By unit of UTF-16: the order of code points unless surrogates occur. */
function sortedByUnit(keys: string[]): string[] {
  if (keys.length > INSERTED_KEYS_MAX) return keys.sort()
  for (let next = 1; next < keys.length; next++) {
    const key = keys[next] as string
    let at = next
    for (; at > 0 && (keys[at - 1] as string) > key; at--) keys[at] = keys[at - 1] as string
    keys[at] = key
  }
  return keys
}

interface OpenContainer {
  /** undefined: an array. */
  readonly keys: readonly string[] | undefined
  readonly values: readonly JsonValue[] | JsonObject
  readonly size: number
  at: number
}

function writeDeep(root: JsonValue): string {
  const open: OpenContainer[] = []
  let text = ''
  let value: JsonValue | undefined = root
  while (value !== undefined) {
    if (typeof value !== 'object' || value === null) text += JSON.stringify(value)
    else if (isRawNumber(value)) text += canonicalNumber(value.raw)
    else {
      const container = opened(value)
      text += container.keys === undefined ? '[' : '{'
      open.push(container)
    }
    value = undefined
    // Go on with the next child of the innermost container that has one, and close those that have none left.
    for (let inner = open.at(-1); inner !== undefined && value === undefined; inner = open.at(-1)) {
      if (inner.at === inner.size) {
        text += inner.keys === undefined ? ']' : '}'
        open.pop()
        continue
      }
      if (inner.at > 0) text += ','
      const key: string | undefined = inner.keys?.[inner.at]
      if (key !== undefined) text += `${JSON.stringify(key)}:`
      value =
        key === undefined
          ? ((inner.values as readonly JsonValue[])[inner.at] ?? null)
          : (inner.values as JsonObject)[key]
      inner.at++
    }
  }
  return text
}

function opened(value: readonly JsonValue[] | JsonObject): OpenContainer {
  if (Array.isArray(value)) return { keys: undefined, values: value, size: value.length, at: 0 }
  const keys = Object.keys(value).filter((key) => (value as JsonObject)[key] !== undefined)
  keys.sort(byCodePoint)
  return { keys, values: value, size: keys.length, at: 0 }
}

/** Order by Unicode code point. Units of UTF-16 order the same way unless a surrogate meets U+E000 to U+FFFF. */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const one = a.charCodeAt(at)
    const other = b.charCodeAt(at)
    if (one === other) continue
    const surrogates = Number(isSurrogate(one)) - Number(isSurrogate(other))
    return surrogates !== 0 && one >= 0xd800 && other >= 0xd800 ? surrogates : one - other
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

/** Negative zero is 0, and integers are written without exponent; anything else keeps the form that was hashed. */
function canonicalNumber(raw: string): string {
  if (raw === '-0') return '0'
  const number = Number(raw)
  return /e/i.test(raw) && Number.isSafeInteger(number) ? String(number + 0) : raw
}

function faultOf(item: JsonValue, next: JsonValue[], ofNumber: NumberFault): string | undefined {
  if (typeof item === 'string') return stringFault(item)
  if (typeof item === 'number' || isRawNumber(item)) return ofNumber(item)
  if (typeof item !== 'object' || item === null) return undefined
  if (Array.isArray(item)) return arrayFault(item, next, ofNumber)
  for (const key of Object.keys(item)) {
    if (LONE_SURROGATE.test(key)) return 'A key has half of a surrogate pair'
    const fault = childFault((item as JsonObject)[key] as JsonValue, next, ofNumber)
    if (fault !== undefined) return fault
  }
  return undefined
}

function arrayFault(items: readonly JsonValue[], next: JsonValue[], ofNumber: NumberFault): string | undefined {
  for (const item of items) {
    const fault = childFault(item, next, ofNumber)
    if (fault !== undefined) return fault
  }
  return undefined
}

function childFault(child: JsonValue, next: JsonValue[], ofNumber: NumberFault): string | undefined {
  if (typeof child === 'string') return stringFault(child)
  if (typeof child === 'number') return ofNumber(child)
  if (typeof child === 'object' && child !== null) next.push(child)
  return undefined
}

function stringFault(text: string): string | undefined {
  return LONE_SURROGATE.test(text) ? 'A string has half of a surrogate pair' : undefined
}

function numberFault(number: number | RawNumber): string | undefined {
  if (typeof number !== 'number') return `The number ${number.raw.slice(0, 40)} is not a safe integer`
  return Number.isSafeInteger(number) && !Object.is(number, -0)
    ? undefined
    : `The number ${number} is not a safe integer`
}
