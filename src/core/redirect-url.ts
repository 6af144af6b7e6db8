/** What a browser would run or read, instead of going somewhere. */
const NO_DESTINATION: ReadonlySet<string> = new Set([
  ...['about:', 'blob:', 'data:', 'file:', 'filesystem:', 'javascript:', 'vbscript:', 'view-source:'],
])

/** The URL of a client to which a browser may be sent; undefined for what is none. Apps have schemes of their own. */
export function redirectUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  return NO_DESTINATION.has(url.protocol) ? undefined : url
}

/**
 * Whether the URL begins as one of the list does: the same scheme, host and port, and a path that goes on only after a
 * slash. `https://good.example` does not stand for `https://good.example.evil.example`.
 */
export function isListed(url: URL, list: readonly string[]): boolean {
  return list.some((entry) => {
    const listed = redirectUrl(entry)
    if (listed === undefined || listed.protocol !== url.protocol || listed.host !== url.host) return false
    if (url.username !== '' || url.password !== '') return false
    const path = listed.pathname.replace(/\/$/, '')
    return url.pathname === listed.pathname || url.pathname === path || url.pathname.startsWith(`${path}/`)
  })
}

/** Client-Server API, "Handling the callback from the Authentication server": a token that is there already goes. */
export function withLoginToken(url: URL, token: string): string {
  const result = new URL(url)
  result.searchParams.delete('loginToken')
  result.searchParams.append('loginToken', token)
  return result.href
}
