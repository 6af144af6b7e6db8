/** What the next bytes of a multipart body turned out to hold: a part begins, goes on, or all of them are over. */
export type Found =
  | { readonly headers: ReadonlyMap<string, string> }
  | { readonly bytes: Buffer }
  | { readonly end: 'last part' | 'nonsense' }

const HEADERS_BYTES_MAX = 16_384
const BREAK = '\r\n'
const NO_BYTES = Buffer.alloc(0)

/** Of a `Content-Type`; undefined when it is not multipart. */
export function boundaryIn(contentType: string): string | undefined {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)?.slice(1).find(Boolean)
  return /^multipart\//i.test(contentType) ? boundary : undefined
}

/**
 * Reads a multipart body (RFC 2046, section 5.1) piece by piece: the function takes its next bytes, and keeps no more
 * of them than a delimiter or the headers of a part.
 */
export function readMultipart(boundary: string): (bytes: Buffer) => Found[] {
  const delimiter = Buffer.from(`${BREAK}--${boundary}`)
  let where: 'before' | 'headers' | 'body' | 'end' = 'before'
  // The first delimiter may stand at the very beginning.
  let rest: Buffer = Buffer.from(BREAK)

  function next(): Found | 'wait' | undefined {
    if (where === 'end') return 'wait'
    if (where === 'headers') return readHeaders()
    const found = rest.indexOf(delimiter)
    const until = found < 0 ? Math.max(rest.length - delimiter.length + 1, 0) : found
    const bytes = where === 'body' ? rest.subarray(0, until) : NO_BYTES
    rest = rest.subarray(found < 0 ? until : until + delimiter.length)
    if (found >= 0) where = 'headers'
    if (bytes.length > 0) return { bytes }
    return found < 0 ? 'wait' : undefined
  }

  /** Behind the delimiter: the rest of its line, headers, an empty line. Two hyphens end the last part. */
  function readHeaders(): Found | 'wait' {
    if (rest.subarray(0, 2).toString('latin1') === '--') return ended('last part')
    const end = rest.indexOf(BREAK + BREAK)
    if (end > HEADERS_BYTES_MAX || (end < 0 && rest.length > HEADERS_BYTES_MAX)) return ended('nonsense')
    if (end < 0) return 'wait'
    const headers = headersIn(rest.subarray(0, end).toString('utf8'))
    rest = rest.subarray(end + 2 * BREAK.length)
    where = 'body'
    return { headers }
  }

  function ended(end: 'last part' | 'nonsense'): Found {
    where = 'end'
    rest = NO_BYTES
    return { end }
  }

  return (bytes) => {
    const all: Found[] = []
    // Nothing is copied where no delimiter lies on the edge: a large file would leave twice its size to be collected.
    const edge = where === 'body' ? Buffer.concat([rest, bytes.subarray(0, delimiter.length - 1)]) : undefined
    if (edge !== undefined && bytes.length >= delimiter.length && edge.indexOf(delimiter) < 0) {
      if (rest.length > 0) all.push({ bytes: rest })
      rest = bytes
    } else rest = Buffer.concat([rest, bytes])
    for (let found = next(); found !== 'wait'; found = next()) if (found !== undefined) all.push(found)
    return all
  }
}

function headersIn(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (const line of text.split(BREAK)) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}
