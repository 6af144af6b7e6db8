import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import type { IdentityProvider } from '../remote/identity-provider.ts'

const COOKIE = 'dendrite_sso'
const SECRET_BYTES = 32
const SECRET = /^[A-Za-z0-9_-]{43}$/

/** A request that comes from a browser, and is answered with a page. */
export interface Visitor {
  readonly raw: FastifyRequest
  readonly reply: FastifyReply
}

/** The secret of the browser, if it has brought one. */
export function browserOf(request: FastifyRequest): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2)
    if (name === COOKIE && SECRET.test(value ?? '')) return value
  }
  return undefined
}

/** The same; a browser without one is given it. Several logins of a browser, in several windows, share it. */
export function markBrowser(app: App, request: FastifyRequest, reply: FastifyReply): string {
  const known = browserOf(request)
  if (known !== undefined) return known
  const secret = app.random.bytes(SECRET_BYTES).toString('base64url')
  // Lax: it comes along when the provider sends the browser back, and not with forms of other sites.
  const secure = request.protocol === 'https' ? '; Secure' : ''
  reply.header('Set-Cookie', `${COOKIE}=${secret}; Path=/; HttpOnly; SameSite=Lax${secure}`)
  return secret
}

/** Where browsers find this server: what the configuration says, or the address that they have come to. */
export function publicUrl(app: App, request: FastifyRequest): string {
  const configured = app.config.global.well_known_client_name.replace(/\/+$/, '')
  return configured === '' ? `${request.protocol}://${request.host}` : configured
}

/** Errors: M_NOT_FOUND. */
export function providerNamed(app: App, id: string): IdentityProvider {
  const provider = app.remote.identityProviders.get(id)
  if (provider === undefined) throw new MatrixError('M_NOT_FOUND', 'This server has no such way to log in.')
  return provider
}

export function callbackOf(app: App, request: FastifyRequest, { config }: IdentityProvider): string {
  return `${publicUrl(app, request)}/_dendrite/client/sso/callback/${encodeURIComponent(config.id)}`
}

/** The address holds what must not be told to others, nor be gone to again. */
export function goTo(reply: FastifyReply, url: string): void {
  reply.header('Cache-Control', 'no-store').header('Referrer-Policy', 'no-referrer').redirect(url, 302)
}
