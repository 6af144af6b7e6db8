/** A part of a `multipart/mixed` answer. */
export interface Part {
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

const HEADERS_BYTES_MAX = 16_384
const BREAK = '\r\n'

/** The parts of a multipart body (RFC 2046, section 5.1), at most `maxParts`; undefined when it is none. */
export function partsOf(contentType: string, body: Buffer, maxParts: number): Part[] | undefined {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)?.slice(1).find(Boolean)
  if (!/^multipart\//i.test(contentType) || boundary === undefined) return undefined
  const delimiter = Buffer.from(`${BREAK}--${boundary}`)
  const first = Buffer.from(`--${boundary}`)
  // The first one may stand at the very beginning.
  let at = body.subarray(0, first.length).equals(first) ? first.length : after(body, delimiter, 0)
  const parts: Part[] = []
  while (at !== undefined && parts.length < maxParts) {
    if (body.subarray(at, at + 2).toString('latin1') === '--') return parts
    const end = body.indexOf(delimiter, at)
    const part = end < 0 ? undefined : partIn(body.subarray(at, end))
    if (part === undefined) return undefined
    parts.push(part)
    at = end + delimiter.length
  }
  return at === undefined ? undefined : parts
}

function after(body: Buffer, text: Buffer, from: number): number | undefined {
  const index = body.indexOf(text, from)
  return index < 0 ? undefined : index + text.length
}

/** Behind the delimiter: the rest of its line, headers, an empty line, the body. */
function partIn(bytes: Buffer): Part | undefined {
  const end = bytes.indexOf(BREAK + BREAK)
  if (end < 0 || end > HEADERS_BYTES_MAX) return undefined
  const headers = new Map<string, string>()
  for (const line of bytes.subarray(0, end).toString('utf8').split(BREAK)) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return { headers, body: bytes.subarray(end + 2 * BREAK.length) }
}
