import {
  type Identity,
  type IdentityProvider,
  NotIdentified,
  type ProviderConfig,
  type Visit,
} from './identity-provider.ts'
import { type Outbound, Unreachable } from './outbound.ts'

const ANSWER_BYTES_MAX = 262_144
const TICKET_LENGTH_MAX = 1_024
const SUCCESS = 'serviceResponse/authenticationSuccess'
const ATTRIBUTES = `${SUCCESS}/attributes/`

/**
 * A Central Authentication Service (CAS protocol 3.0): the browser comes back with a ticket, which the service turns
 * into a user name, once and for this very callback alone.
 */
export function createCas(config: ProviderConfig, outbound: Outbound, timeoutMs: number): IdentityProvider {
  return {
    config,
    entry: async (visit) => `${rootOf(config)}/login?${new URLSearchParams({ service: serviceOf(visit) })}`,
    async identify(visit, answer) {
      const ticket = answer.get('ticket') ?? ''
      if (ticket === '' || ticket.length > TICKET_LENGTH_MAX) throw new NotIdentified('there is no ticket')
      const query = new URLSearchParams({ service: serviceOf(visit), ticket })
      const url = new URL(`${rootOf(config)}/p3/serviceValidate?${query}`)
      const reply = await outbound.request({
        method: 'GET',
        origin: url.origin,
        path: url.pathname + url.search,
        timeoutMs,
        maxBytes: ANSWER_BYTES_MAX,
      })
      if (reply.status !== 200) throw new Unreachable(`${url.origin} answers ${reply.status}`)
      return identityIn(reply.body.toString('utf8'))
    },
  }
}

function rootOf({ issuer }: ProviderConfig): string {
  return issuer.replace(/\/+$/, '')
}

/** The service has to be the same, letter for letter, when the ticket is asked for and when it is turned in. */
function serviceOf({ callback, state }: Visit): string {
  return `${callback}?${new URLSearchParams({ state })}`
}

/** CAS protocol 3.0 section 2.5.2: the user and the attributes of a success. Errors: NotIdentified. */
async function identityIn(xml: string): Promise<Identity> {
  const { Parser } = await import('htmlparser2')
  const path: string[] = []
  const texts = new Map<string, string>()
  // Of an attribute with several values the first one counts.
  const complete = new Set<string>()
  const parser = new Parser(
    {
      onopentag: (name) => void path.push(name.slice(name.indexOf(':') + 1)),
      ontext(text) {
        const key = path.join('/')
        if (!complete.has(key)) texts.set(key, (texts.get(key) ?? '') + text)
      },
      onclosetag() {
        complete.add(path.join('/'))
        path.pop()
      },
    },
    { xmlMode: true },
  )
  parser.end(xml)
  const subject = texts.get(`${SUCCESS}/user`)?.trim() ?? ''
  if (subject === '') throw new NotIdentified('the service does not accept the ticket')
  const attributes = [...texts].flatMap(([key, text]) =>
    key.startsWith(ATTRIBUTES) ? [[key.slice(ATTRIBUTES.length), text.trim()] as const] : [],
  )
  const claims = { preferred_username: subject, ...Object.fromEntries(attributes), sub: subject }
  return { subject, claims }
}
