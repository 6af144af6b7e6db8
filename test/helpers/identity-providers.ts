import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

export interface TestProvider {
  /** `http://127.0.0.1:PORT`. */
  readonly root: string
  /** Who logs in there next. */
  user: string
  stop(): Promise<void>
}

export const CLIENT = { id: 'homeserver', secret: 'a secret between two servers' }

const CALLBACK = /^\/_dendrite\/client\/sso\/callback\/\w+$/

/** What a provider knows of its users, by subject. */
export type People = Readonly<Record<string, Readonly<Record<string, unknown>>>>

async function listen(handle: RequestListener): Promise<{ root: string; server: Server }> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, root: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

export async function serve(handle: (root: string) => RequestListener): Promise<TestProvider> {
  let answer: RequestListener | undefined
  const { root, server } = await listen((request, response) => answer?.(request, response))
  answer = handle(root)
  return {
    root,
    user: '',
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A real OpenID Connect provider, which asks nobody for a password: whoever comes is `user`. */
export async function startOpenIdProvider(people: People): Promise<TestProvider> {
  const test = await serve((root) => {
    const provider = new Provider(root, {
      clients: [{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: ['https://homeserver.example/'] }],
      claims: { openid: ['sub'], profile: ['preferred_username', 'name'] },
      conformIdTokenClaims: false,
      cookies: { keys: ['not a secret'] },
      features: { devInteractions: { enabled: false } },
      findAccount: (_context: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
      interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
      pkce: { required: () => true },
    })
    // The homeserver's port is not known yet.
    provider.Client.prototype.redirectUriAllowed = (uri: string) => CALLBACK.test(new URL(uri).pathname)
    const answer = provider.callback()
    const interact = async (request: IncomingMessage, response: ServerResponse) => {
      const details = await provider.interactionDetails(request, response)
      const done = { mergeWithLastSubmission: true }
      if (details.prompt.name === 'login') {
        return provider.interactionFinished(request, response, { login: { accountId: test.user } }, done)
      }
      const grant = new provider.Grant({ accountId: details.session.accountId, clientId: CLIENT.id })
      grant.addOIDCScope('openid profile')
      return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, done)
    }
    return (request, response) =>
      request.url?.startsWith('/interaction/') ? void interact(request, response) : answer(request, response)
  })
  return test
}

/** A Central Authentication Service whose tickets are good once, for the service that they were made for. */
export async function startCas(attributes: string): Promise<TestProvider> {
  const tickets = new Map<string, string>()
  const test = await serve((root) => (request, response) => {
    const url = new URL(request.url ?? '', root)
    const service = url.searchParams.get('service') ?? ''
    if (url.pathname === '/login') {
      const ticket = `ST-${tickets.size}`
      tickets.set(ticket, service)
      const back = new URL(service)
      back.searchParams.append('ticket', ticket)
      return response.writeHead(302, { Location: back.href }).end()
    }
    const ticket = url.searchParams.get('ticket') ?? ''
    const good = url.pathname === '/p3/serviceValidate' && tickets.get(ticket) === service
    tickets.set(ticket, '')
    const success = `<cas:authenticationSuccess><cas:user>${test.user}</cas:user>
      <cas:attributes>${attributes}</cas:attributes></cas:authenticationSuccess>`
    const failure = '<cas:authenticationFailure code="INVALID_TICKET">no</cas:authenticationFailure>'
    response.end(
      `<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">${good ? success : failure}</cas:serviceResponse>`,
    )
  })
  return test
}
