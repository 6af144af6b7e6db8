import { createHash, randomBytes } from 'node:crypto'
import { type Browser, openBrowser, type Page } from './browser.ts'
import { type Reply, TEST_PASSWORD, type TestServer } from './server.ts'

export const OAUTH = '/_dendrite/client/oauth'
export const CALLBACK = 'https://app.client.example/callback?from=matrix'
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
export const CLIENT_METADATA = {
  client_name: 'An <app>',
  client_uri: 'https://client.example/',
  redirect_uris: [CALLBACK],
  application_type: 'web',
}

/** What a client of OAuth 2.0 sends and remembers, in the order of a login. */
export function oauthClient(server: TestServer) {
  return {
    post: (path: string, form: Record<string, string>): Promise<Reply> => postForm(server, `${OAUTH}${path}`, form),

    async register(more: object = {}): Promise<string> {
      const reply = await server.call('POST', `${OAUTH}/register`, { body: { ...CLIENT_METADATA, ...more } })
      if (reply.status !== 201) throw new Error(JSON.stringify(reply.body))
      return String(reply.body.client_id)
    },

    /** A request at the authorization endpoint, and what only the client knows of it. */
    request(clientId: string, more: Record<string, string> = {}) {
      const verifier = randomBytes(32).toString('base64url')
      const query = {
        client_id: clientId,
        redirect_uri: CALLBACK,
        response_type: 'code',
        response_mode: 'fragment',
        scope: `urn:matrix:client:api:* urn:matrix:client:device:${randomBytes(6).toString('hex')}`,
        state: 'a state & more',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...more,
      }
      return { verifier, query, url: `${server.url}${OAUTH}/authorize?${new URLSearchParams(query)}` }
    },
  }
}

export async function postForm(server: TestServer, path: string, form: Record<string, string>): Promise<Reply> {
  const reply = await fetch(`${server.url}${path}`, { method: 'POST', body: new URLSearchParams(form) })
  return {
    status: reply.status,
    headers: reply.headers,
    body: JSON.parse((await reply.text()) || '{}') as Record<string, unknown>,
  }
}

/** Fills in the first form of a page. */
export function submit(browser: Browser, page: Page, fields: Record<string, string>): Promise<Page> {
  const [, action = ''] = /<form method="post"(?: action="([^"]*)")?/.exec(page.html) ?? []
  const hidden = [...page.html.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)">/g)]
  const known = Object.fromEntries(hidden.map(([, name, value]) => [name!, value!]))
  return browser.open(new URL(action, page.url).href, { form: { ...known, ...fields } })
}

/** Logs in and agrees: the parameters that the client gets back. */
export async function agree(url: string, user: string, browser = openBrowser()): Promise<URLSearchParams> {
  const consent = await submit(browser, await browser.open(url), { user, password: TEST_PASSWORD })
  return answerIn(await submit(browser, consent, { answer: 'allow' }))
}

/** Errors when the browser was not sent to the client. */
export function answerIn({ url, status, html }: Page): URLSearchParams {
  if (status !== 0) throw new Error(`still here: ${status} ${html}`)
  const { hash, search } = new URL(url)
  return new URLSearchParams(hash === '' ? search : hash.slice(1))
}

export interface GrantedTokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly scope: string
}

/** A whole login. */
export async function enterByOAuth(server: TestServer, user: string, more: Record<string, string> = {}) {
  const client = oauthClient(server)
  const clientId = await client.register({ grant_types: ['authorization_code', DEVICE_GRANT] })
  const { verifier, query, url } = client.request(clientId, more)
  const code = (await agree(url, user)).get('code') ?? ''
  const form = {
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: query.redirect_uri,
    code_verifier: verifier,
    code,
  }
  const reply = await client.post('/token', form)
  if (reply.status !== 200) throw new Error(JSON.stringify(reply.body))
  return { clientId, form, ...(reply.body as unknown as GrantedTokens) }
}
