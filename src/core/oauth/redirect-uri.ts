/** RFC 3986 without the fragment, so that nothing in it means something to a header or a page. */
const CHARACTERS = /^[A-Za-z0-9._~:/?[\]@!$&'()*+,;=%-]+$/
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])
/** A name with a dot: what has none is no domain that anybody has, and turned around no scheme of theirs. */
const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/

export type ApplicationType = 'web' | 'native'

/** An `https` URL of a domain, without user and password. */
export function secureUrl(text: string): URL | undefined {
  const url = CHARACTERS.test(text) && /^https:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined
  const good = url !== undefined && HOST.test(url.hostname) && url.username === '' && url.password === ''
  return good ? url : undefined
}

/** The same on the host of the client or below it (Client-Server API, "Client metadata"). */
export function isBelow(client: URL, text: string): boolean {
  const url = secureUrl(text)
  return url !== undefined && (url.hostname === client.hostname || url.hostname.endsWith(`.${client.hostname}`))
}

/** Client-Server API, "Redirect URI validation", at the registration of a client. */
export function mayRegister(client: URL, type: ApplicationType, text: string): boolean {
  if (!CHARACTERS.test(text) || !URL.canParse(text)) return false
  if (isBelow(client, text)) return true
  if (type === 'web') return false
  const url = new URL(text)
  if (url.protocol === 'http:')
    return isLoopback(url) && url.port === '' && !/^http:\/\/[^/?]*:\d*(?:[/?]|$)/.test(text)
  const reversed = client.hostname.split('.').reverse().join('.')
  const scheme = url.protocol.slice(0, -1)
  return (scheme === reversed || scheme.startsWith(`${reversed}.`)) && !text.slice(scheme.length + 1).startsWith('//')
}

/** The same letter by letter; on this machine with any port (RFC 8252, section 7.3). */
export function isRegistered(registered: readonly string[], text: string): boolean {
  if (registered.includes(text)) return true
  if (!CHARACTERS.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  if (url.protocol !== 'http:' || !isLoopback(url)) return false
  url.port = ''
  return registered.some((one) => URL.canParse(one) && new URL(one).href === url.href)
}

/** Where the answer of the authorization endpoint goes: what it says stands in the query or the fragment. */
export function withAnswer(uri: string, mode: 'query' | 'fragment', answer: Readonly<Record<string, string>>): string {
  const mark = mode === 'fragment' ? '#' : uri.includes('?') ? '&' : '?'
  return `${uri}${mark}${new URLSearchParams(answer)}`
}

/** What a Content-Security-Policy calls it: a form that leads there has to be allowed to. */
export function sourceOf(uri: string): string {
  const { protocol, hostname, origin } = new URL(uri)
  return protocol === 'https:' || (protocol === 'http:' && hostname !== '[::1]') ? origin : protocol
}

/** What a user is told of it: an app has no host, so that its scheme stands for it. */
export function placeOf(uri: string): string {
  const { protocol, host } = new URL(uri)
  return protocol === 'https:' || protocol === 'http:' ? host : protocol.slice(0, -1)
}

function isLoopback({ hostname, username, password }: URL): boolean {
  return LOOPBACK.has(hostname) && username === '' && password === ''
}
