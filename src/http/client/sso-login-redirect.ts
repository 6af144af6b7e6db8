import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { departTo } from '../../actions/sessions/visit-provider.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { redirectUrl } from '../../core/redirect-url.ts'
import { endpoint } from '../endpoint.ts'
import { sendPage, withPages } from '../pages.ts'
import { callbackOf, goTo, markBrowser, providerNamed } from '../sso.ts'

const REDIRECT_LENGTH_MAX = 4_096
const Query = Type.Object({
  redirectUrl: Type.String({ maxLength: REDIRECT_LENGTH_MAX }),
  action: Type.Optional(Type.Union([Type.Literal('login'), Type.Literal('register')])),
})
type Query = typeof Query.static

interface Visitor {
  readonly raw: FastifyRequest
  readonly reply: FastifyReply
  readonly query: Query
}

/** Client-Server API, "Redirecting to the Authentication server". Of several providers the user chooses one. */
export const redirectToSSO = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login/sso/redirect',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  query: Query,
  handle: (app, visitor) =>
    withPages(app, visitor.reply, async () => {
      const ids = [...app.remote.identityProviders.keys()]
      if (ids.length > 1) await offerProviders(app, visitor)
      else await depart(app, ids[0] ?? '', visitor)
    }),
})

export const redirectToIdP = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login/sso/redirect/{idpId}',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  params: Type.Object({ idpId: Type.String() }),
  query: Query,
  handle: (app, { params, ...visitor }) => withPages(app, visitor.reply, () => depart(app, params.idpId, visitor)),
})

async function depart(app: App, providerId: string, { raw, reply, query }: Visitor): Promise<void> {
  const provider = providerNamed(app, providerId)
  checkDestination(query)
  const departure = {
    purpose: { redirectUrl: query.redirectUrl },
    browser: markBrowser(app, raw, reply),
    callback: callbackOf(app, raw, provider),
    registers: query.action === 'register',
  }
  goTo(reply, await departTo(app, provider, departure))
}

async function offerProviders(app: App, { reply, query }: Visitor): Promise<void> {
  checkDestination(query)
  const providers = [...app.remote.identityProviders.values()].map(({ config: { id, name } }) => ({
    name,
    url: `/_matrix/client/v3/login/sso/redirect/${encodeURIComponent(id)}?${new URLSearchParams(query)}`,
  }))
  await sendPage(app, reply, 'sso-providers', { title: 'Log in', text: 'Choose how you log in.', providers })
}

function checkDestination({ redirectUrl: text }: Query): void {
  if (redirectUrl(text) === undefined)
    throw new MatrixError('M_INVALID_PARAM', 'redirectUrl is not the URL of a client.')
}
