const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Whether a JSON text may hold more values than that: it has so many commas and brackets, of which some may stand in
 * strings. Much faster than reading it.
 */
export function holdsMoreThan(text: Uint8Array, values: number): boolean {
  if (text.length <= values) return false
  let count = 0
  for (let at = 0; at < text.length && count <= values; at++) {
    const byte = text[at]
    if (byte === COMMA || byte === OPEN_ARRAY || byte === OPEN_OBJECT) count++
  }
  return count > values
}

/**
 * The texts of the items of the array under a key of a JSON object, one after the other: what is too large to be read
 * at once need not be. The items are not looked into, so that any may be no JSON; a text that is broken between them
 * has none from there on.
 */
export function* itemsOf(object: Uint8Array, key: string): Generator<Uint8Array> {
  let at = afterSpace(object, 0)
  if (object[at] !== OPEN_OBJECT) return
  do {
    const start = afterSpace(object, at + 1)
    const end = endOfValue(object, start)
    at = afterSpace(object, end)
    if (object[start] !== QUOTE || object[at] !== COLON) return
    at = afterSpace(object, at + 1)
    if (object[at] === OPEN_ARRAY && isText(object.subarray(start, end), key)) at = yield* itemsFrom(object, at)
    else at = endOfValue(object, at)
    at = afterSpace(object, at)
  } while (object[at] === COMMA)
}

/** The items of the array that begins there. Returns where it ends. */
function* itemsFrom(text: Uint8Array, start: number): Generator<Uint8Array, number> {
  let at = start
  do {
    const first = afterSpace(text, at + 1)
    const end = endOfValue(text, first)
    if (end > first) yield text.subarray(first, end)
    at = afterSpace(text, end)
  } while (text[at] === COMMA)
  return text[at] === CLOSE_ARRAY ? at + 1 : text.length
}

function isText(quoted: Uint8Array, key: string): boolean {
  try {
    return JSON.parse(Buffer.from(quoted).toString()) === key
  } catch {
    return false
  }
}

function afterSpace(text: Uint8Array, start: number): number {
  let at = start
  while (text[at] === 0x20 || text[at] === 0x0a || text[at] === 0x0d || text[at] === 0x09) at++
  return at
}

/** Where the value that begins there ends, or the text does. */
function endOfValue(text: Uint8Array, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; ) {
    const byte = text[at]!
    if (byte === QUOTE) {
      at = endOfString(text, at)
      if (depth === 0) return at
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      depth++
      at++
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      if (depth <= 1) return depth === 0 ? at : at + 1
      depth--
      at++
    } else if (depth === 0 && (byte === COMMA || byte === COLON || byte <= 0x20)) return at
    else at++
  }
  return text.length
}

function endOfString(text: Uint8Array, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1
  return Math.min(at + 1, text.length)
}
