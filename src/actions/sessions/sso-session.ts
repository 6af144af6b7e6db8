import { createHash } from 'node:crypto'
import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deleteSsoSession, insertSsoSession, ssoSession, ssoSessionIs } from '../../store/sso.ts'
import { write } from '../write.ts'
import { openBody, sealBody } from './seal-body.ts'

const ID_BYTES = 24
const LIFETIME_MS = 15 * 60_000

/** Where a login by single sign-on leads to: to a client, on with one that asks by OAuth 2.0, or to the account. */
export type Destination =
  | { readonly redirectUrl: string }
  | { readonly authorization: string }
  | { readonly account: string }

/** What it is for: that, or a stage of User-Interactive Authentication. */
export type Purpose = Destination | { readonly uia: string }

/** What a client of OAuth 2.0 asks a user for. */
export interface AuthorizationRequest {
  readonly clientId: string
  readonly scope: string
  readonly deviceId: string
  readonly to: ToAddress | ToDevice
}

/** The browser takes the answer to an address of the client (RFC 6749). */
export interface ToAddress {
  readonly redirectUri: string
  readonly responseMode: 'query' | 'fragment'
  /** null: the client gave none. */
  readonly state: string | null
  /** RFC 7636: the hash of what the client keeps. */
  readonly challenge: string
}

/** The client asks for the answer; it shows this code (RFC 8628). */
export interface ToDevice {
  readonly userCode: string
}

/** What a user wants in the account management. */
export interface AccountWish {
  readonly action: string
  readonly deviceId: string
  /** The session of User-Interactive Authentication that is to be approved; '': none. */
  readonly uia: string
}

/** The steps of a login, each with what the next one needs. `browser` is the secret that the browser keeps. */
interface Steps {
  /** At the provider. */
  readonly visit: {
    readonly purpose: Purpose
    readonly callback: string
    readonly nonce: string
    readonly verifier: string
    readonly registers: boolean
  }
  /** Known at the provider alone: chooses a user name. */
  readonly name: { readonly destination: Destination; readonly subject: string; readonly displayName: string }
  /** Asked whether to go to the client. */
  readonly confirm: { readonly redirectUrl: string; readonly userId: string }
  /** Logs in, because a client asks for it by OAuth 2.0. */
  readonly authorize: AuthorizationRequest
  /** Logged in, and asked whether the client may. `passwordHash` is as it was then. */
  /** Logs in to the account management. */
  readonly enter: AccountWish
  /** In the account management. `passwordHash` is as it was at the login. */
  readonly account: AccountWish & { readonly userId: string; readonly passwordHash: string | null }
  readonly consent: AuthorizationRequest & { readonly userId: string; readonly passwordHash: string | null }
}

export interface SsoStep<S extends keyof Steps> {
  readonly provider: string
  readonly data: Steps[S]
  /** Ends it. Errors: M_FORBIDDEN when somebody else was faster. */
  take(): Promise<void>
}

/**
 * Remembers a step under a new id. The database has a hash of the id, and the rest encrypted with it: whoever reads the
 * database cannot go on with a login.
 */
export async function rememberStep<S extends keyof Steps>(
  app: App,
  step: S,
  { provider, browser, data }: { provider: string; browser: string; data: Steps[S] },
): Promise<string> {
  const id = app.random.bytes(ID_BYTES).toString('base64url')
  const nowMs = app.clock.now()
  const sealed = sealBody(app, id, { step, browser, data } as unknown as JsonObject)
  const row = { session: keyOf(id), provider, data: sealed }
  await write(app, { guards: [], writes: insertSsoSession(row, nowMs + LIFETIME_MS, nowMs), log: [] })
  return id
}

/** The step that this browser is at. Errors: M_FORBIDDEN: unknown, old, done, another step or another browser. */
export async function stepOf<S extends keyof Steps>(
  app: App,
  step: S,
  { id, browser }: { id: string; browser: string | undefined },
): Promise<SsoStep<S>> {
  const row = await ssoSession(app.db, keyOf(id), app.clock.now())
  const known = row && (openBody(id, row.data) as unknown as { step: string; browser: string; data: Steps[S] })
  if (known === undefined || known.step !== step || known.browser !== browser) throw unknown()
  return {
    provider: row!.provider,
    data: known.data,
    async take() {
      const taken = await write(app, {
        guards: [ssoSessionIs(row!)],
        writes: [deleteSsoSession(row!.session)],
        log: [],
      })
      if (taken === undefined) throw unknown()
    },
  }
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('hex')
}

function unknown(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'This login is not known, too old, or was begun in another browser.')
}
