/** A browser: cookies, and redirects followed up to a page, or up to an address outside of this machine. */
export interface Browser {
  /** With `stopAt`, an address that the browser is sent to and does not go to. */
  open(url: string, options?: { form?: Record<string, string>; stopAt?: string }): Promise<Page>
}

export interface Page {
  readonly url: string
  /** 0: the browser has left for `url`. */
  readonly status: number
  readonly html: string
  readonly headers: Headers
  /** The links of the page. */
  readonly links: readonly string[]
}

export function openBrowser(): Browser {
  const cookies = new Map<string, string>()
  return {
    async open(address, { form, stopAt } = {}) {
      let url = address
      let body = form === undefined ? undefined : new URLSearchParams(form)
      for (let step = 0; step < 20; step++) {
        const { host, hostname } = new URL(url)
        const stopped = step > 0 && stopAt !== undefined && url.includes(stopAt)
        if (hostname !== '127.0.0.1' || stopped) return { url, status: 0, html: '', headers: new Headers(), links: [] }
        const sent = [...cookies].flatMap(([key, value]) => (key.startsWith(`${host} `) ? [value] : []))
        const method = body === undefined ? 'GET' : 'POST'
        const headers = { Cookie: sent.join('; ') }
        const reply = await fetch(url, { method, headers, redirect: 'manual', ...(body === undefined ? {} : { body }) })
        for (const cookie of reply.headers.getSetCookie()) {
          const [pair = ''] = cookie.split(';')
          cookies.set(`${host} ${pair.split('=')[0]}`, pair)
        }
        const to = reply.headers.get('Location')
        const html = await reply.text()
        if (to === null) {
          const links = [...html.matchAll(/href="([^"]+)"/g)].map(
            ([, link]) => new URL(link!.replaceAll('&amp;', '&'), url).href,
          )
          return { url, status: reply.status, html, headers: reply.headers, links }
        }
        url = new URL(to, url).href
        body = undefined
      }
      throw new Error(`${address} leads nowhere`)
    },
  }
}
