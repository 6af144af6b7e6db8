import type { Config } from '../config/schema.ts'

export type ProviderConfig = Config['client_api']['sso']['providers'][number]

/** One login of one browser at a provider. The provider gives it back with what it says of the user. */
export interface Visit {
  /** Where the provider sends the browser when it is done. */
  readonly callback: string
  /** Names the visit in that URL. */
  readonly state: string
  /** Bind the answer to this visit (OpenID Connect: `nonce`, PKCE). */
  readonly nonce: string
  readonly verifier: string
  /** The user wants a new account. */
  readonly registers: boolean
}

/** What a provider says of a user. */
export interface Identity {
  /** Never changes, and is never given to somebody else. */
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** The provider said no, or what it said does not hold. */
export class NotIdentified extends Error {
  override readonly name = 'NotIdentified'
}

/** A service that knows users of ours: OpenID Connect or CAS. */
export interface IdentityProvider {
  readonly config: ProviderConfig
  /** Where the browser goes. Errors: Unreachable. */
  entry(visit: Visit): Promise<string>
  /** Who came back with `answer`, the query of the callback. Errors: Unreachable, NotIdentified. */
  identify(visit: Visit, answer: URLSearchParams): Promise<Identity>
}
