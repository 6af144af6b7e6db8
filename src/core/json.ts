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
  if (depthIfOrdered(value, isOrdered) <= JSON_DEPTH_MAX) {
    const text = JSON.stringify(value)
    // The order of UTF-16 is the order of code points unless surrogates occur; Latin-1 text is not even searched.
    if (!SURROGATE.test(text) || depthIfOrdered(value, isOrderedByCodePoint) <= JSON_DEPTH_MAX) return text
  }
  return writeCanonical(value)
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

/** The depth of a value that `JSON.stringify` writes canonically, surrogates aside; otherwise Infinity. */
function depthIfOrdered(value: JsonValue, ordered: (item: JsonValue, queue: JsonValue[]) => boolean): number {
  const queue: JsonValue[] = [value]
  let depth = 0
  let levelEnd = 0
  for (let at = 0; at < queue.length; at++) {
    if (at === levelEnd) {
      levelEnd = queue.length
      if (++depth > JSON_DEPTH_MAX) return depth
    }
    if (!ordered(queue[at] as JsonValue, queue)) return Number.POSITIVE_INFINITY
  }
  return depth
}

/** Whether keys stand in order and numbers are plain. Objects and arrays inside are put into the queue. */
function isOrdered(item: JsonValue, queue: JsonValue[]): boolean {
  if (typeof item !== 'object' || item === null) return true
  if (Array.isArray(item)) {
    for (const child of item as readonly JsonValue[]) if (typeof child === 'object' && child !== null) queue.push(child)
    return true
  }
  let before = ''
  // Faster than `Object.keys`; values of JSON inherit no keys.
  for (const key in item) {
    if (key < before || (key === 'raw' && isRawNumber(item))) return false
    before = key
    const child = (item as JsonObject)[key]
    if (typeof child === 'object' && child !== null) queue.push(child)
  }
  return true
}

function isOrderedByCodePoint(item: JsonValue, queue: JsonValue[]): boolean {
  if (!isOrdered(item, queue)) return false
  const keys = isObject(item) ? Object.keys(item) : []
  return keys.every((key, at) => at === 0 || byCodePoint(keys[at - 1] ?? '', key) < 0)
}

interface OpenContainer {
  /** undefined: an array. */
  readonly keys: readonly string[] | undefined
  readonly values: readonly JsonValue[] | JsonObject
  readonly size: number
  at: number
}

function writeCanonical(root: JsonValue): string {
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
  // Keys without a value are left out as the native writer does, should a caller's types have lied.
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
