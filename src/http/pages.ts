import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { readTexts } from './validate.ts'

/** What a page may do besides showing itself: nothing is allowed that it does not name. */
export interface PageNeeds {
  readonly status?: number
  /** Has scripts of its own. */
  readonly script?: boolean
  /** Asks this server by script. */
  readonly connect?: boolean
  /** More sources, as `https://captcha.example`, of scripts and frames, and targets of forms beside this server. */
  readonly scripts?: readonly string[]
  readonly forms?: readonly string[]
}

const NONCE_BYTES = 16

/** Answers with `templates/pages/NAME.html`, filled in. It may be shown in no frame and load nothing from elsewhere. */
export async function sendPage(
  app: App,
  reply: FastifyReply,
  name: string,
  data: object,
  needs: PageNeeds = {},
): Promise<void> {
  const nonce = app.random.bytes(NONCE_BYTES).toString('base64')
  const html = await app.templates.render(`pages/${name}.html`, { serverName: app.serverName, ...data, nonce })
  reply.code(needs.status ?? 200)
  reply.header('Content-Type', 'text/html; charset=utf-8')
  reply.header('Content-Security-Policy', policyOf(nonce, needs))
  reply.header('Cache-Control', 'no-store')
  reply.header('Referrer-Policy', 'no-referrer')
  reply.header('X-Content-Type-Options', 'nosniff')
  reply.header('X-Frame-Options', 'DENY')
  reply.send(html)
}

function policyOf(nonce: string, { script, connect, scripts = [], forms = [] }: PageNeeds): string {
  const own = `'nonce-${nonce}'`
  return [
    `default-src 'none'`,
    // What others write into the page brings styles of its own.
    `style-src ${scripts.length > 0 ? "'unsafe-inline'" : own}`,
    ...(script === true || scripts.length > 0 ? [`script-src ${[own, ...scripts].join(' ')}`] : []),
    ...(scripts.length > 0 ? [`frame-src ${scripts.join(' ')}`, `connect-src ${scripts.join(' ')}`] : []),
    ...(connect === true && scripts.length === 0 ? [`connect-src 'self'`] : []),
    `form-action ${["'self'", ...forms].join(' ')}`,
    `frame-ancestors 'none'`,
    `base-uri 'none'`,
  ].join('; ')
}

/** Runs what answers with a page, and answers with a page also when it is refused. */
export async function withPages(app: App, reply: FastifyReply, show: () => Promise<void>): Promise<void> {
  try {
    await show()
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    await sendPage(app, reply, 'message', { title: 'This did not work', text: error.message }, { status: error.status })
  }
}

/** The fields of a form. Errors: M_INVALID_PARAM, M_MISSING_PARAM. */
export function readForm<S extends TSchema>(schema: S, bytes: unknown): Static<S> {
  return readTexts(schema, Object.fromEntries(formFields(bytes))) as Static<S>
}

/** The same for fields whose names the configuration gives. */
export function formFields(bytes: unknown): URLSearchParams {
  return new URLSearchParams(bytes instanceof Uint8Array ? Buffer.from(bytes).toString('utf8') : '')
}
