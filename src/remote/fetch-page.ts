import { type IncomingReply, type Outbound, Unreachable } from './outbound.ts'

export interface PageRequest {
  readonly url: URL
  /** Those that may be asked at; none: any. */
  readonly ports: readonly number[]
  readonly maxBytes: number
}

const REDIRECTS_MAX = 3
const TIMEOUT_MS = 15_000
const URL_LENGTH_MAX = 2_048
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** What we can read is answered as it is: nothing is unpacked here that could grow. */
const HEADERS = { accept: 'text/html, image/*, application/json;q=0.5, */*;q=0.1', 'accept-encoding': 'identity' }

/** The address, if it is one that a page may be fetched from. */
export function pageUrl(text: string, ports: readonly number[], base?: URL): URL | undefined {
  if (text.length > URL_LENGTH_MAX || !URL.canParse(text, base?.href)) return undefined
  const url = new URL(text, base?.href)
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') return undefined
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  url.hash = ''
  return ports.length === 0 || ports.includes(port) ? url : undefined
}

/**
 * Asks for a page that a stranger has named, and follows its redirects: each address is held against the networks that
 * are denied, when the connection is made. Errors: Unreachable, and those of `read`.
 */
export async function fetchPage<T>(
  outbound: Outbound,
  { url, ports, maxBytes }: PageRequest,
  read: (reply: IncomingReply, url: URL) => Promise<T>,
): Promise<T> {
  let at: URL | undefined = url
  for (let redirects = 0; at !== undefined && redirects <= REDIRECTS_MAX; redirects++) {
    const asked: URL = at
    const { origin, pathname, search } = asked
    const request = {
      method: 'GET',
      origin,
      path: pathname + search,
      headers: HEADERS,
      timeoutMs: TIMEOUT_MS,
      maxBytes,
    }
    const found = await outbound.receive(request, async (reply) => {
      const location = reply.headers.location
      if (REDIRECTS.has(reply.status) && typeof location === 'string') return { at: pageUrl(location, ports, asked) }
      if (reply.status !== 200) throw new Unreachable(`${origin} answers ${reply.status}`)
      if ((reply.headers['content-encoding'] ?? 'identity') !== 'identity')
        throw new Unreachable(`${origin} packs its answer although it was asked not to`)
      return { read: await read(reply, asked) }
    })
    if ('read' in found) return found.read as T
    at = found.at
  }
  throw new Unreachable(`${url.origin} leads to somewhere else, and too far`)
}

/** The answer as it comes, and no more than that much of it. */
export async function startOf(reply: IncomingReply, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of reply.body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= bytesMax) break
  }
  return Buffer.concat(chunks).subarray(0, bytesMax)
}
