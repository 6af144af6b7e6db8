import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../app.ts'
import type { Config } from '../config/schema.ts'
import type { ServerName, UserId } from '../core/ids.ts'
import type { JsonValue } from '../core/json.ts'
import type { Appservice } from '../live/appservices.ts'

/** Who asks, as the endpoint's `auth` narrows it. */
export interface Requester {
  readonly userId: UserId
  /** '' for an application service that names none. */
  readonly deviceId: string
  /** 0 for an application service. */
  readonly sessionId: number
  readonly admin: boolean
  readonly guest: boolean
  readonly suspended: boolean
  /** A client of OAuth 2.0 has the session. */
  readonly oauth?: boolean
  /** The application service that speaks in the name of the user. */
  readonly appservice?: Appservice
}

export type Auth = 'none' | 'access-token' | 'access-token-optional' | 'federation-signature' | 'appservice-token'

type Caller<A extends Auth> = A extends 'access-token'
  ? { readonly user: Requester }
  : A extends 'access-token-optional'
    ? { readonly user: Requester | undefined }
    : A extends 'federation-signature'
      ? {
          readonly origin: ServerName
          /** The body as JSON, of any shape; undefined without one. */
          readonly content: JsonValue | undefined
        }
      : A extends 'appservice-token'
        ? { readonly appservice: Appservice }
        : object

type Read<S extends TSchema | undefined> = S extends TSchema ? Static<S> : undefined

/** One (method, path) of the specification, read like its page. `handle` answers with the 200 body, or uses `reply`. */
export interface Endpoint<
  A extends Auth = Auth,
  P extends TSchema | undefined = TSchema | undefined,
  Q extends TSchema | undefined = TSchema | undefined,
  B extends TSchema | undefined = TSchema | undefined,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /**
   * As in the specification, with `{roomId}` for parameters:
   * `/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`.
   */
  readonly path: string
  /** Older paths that answer the same: version segments as in `r0`. */
  readonly aliases?: readonly string[]
  readonly auth: A
  /** Whether the configuration has it; where not, the path is unknown. */
  readonly when?: (config: Config) => boolean
  /** The budget that a call is counted against; none: not limited. */
  readonly rateLimit?: RateLimitClass
  /** Guests may call it. */
  readonly guest?: boolean
  /** Client-Server API, "Account suspension": who is suspended may not call it. */
  readonly suspended?: 'refused'
  /** Client-Server API, "Account locking": who is locked out may call it all the same. */
  readonly locked?: 'allowed'
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** The body is read by the handler itself, as it comes: `raw.body` is a stream of bytes, of any length. */
  readonly streamed?: boolean
  /** Largest body, where it is not the usual one of those who may call. */
  readonly bodyLimitBytes?: number
  /** The body may hold fractions: it never becomes part of an event. */
  readonly anyNumber?: boolean
  handle(app: App, request: EndpointRequest<A, P, Q, B>): Promise<unknown>
}

/** For bodies that list much: members and state of a new room, messages to many devices, settings. */
export const LARGE_BODY_BYTES = 4 * 1_024 * 1_024

export type RateLimitClass = 'message' | 'join' | 'invite' | 'login' | 'registration' | 'room-creation' | 'other'

export type EndpointRequest<
  A extends Auth,
  P extends TSchema | undefined,
  Q extends TSchema | undefined,
  B extends TSchema | undefined,
> = Caller<A> & {
  readonly params: Read<P>
  readonly query: Read<Q>
  readonly body: Read<B>
  /** Address of the client, the trusted proxies already looked through. */
  readonly ip: string
  readonly raw: FastifyRequest
  readonly reply: FastifyReply
  /** Aborted when the client hangs up or the server stops. */
  readonly signal: AbortSignal
}

export function endpoint<
  A extends Auth,
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(spec: Endpoint<A, P, Q, B>): Endpoint<A, P, Q, B> {
  return spec
}

/** An endpoint whatever its types, as the server and the tests list it. */
export type AnyEndpoint = Endpoint<never, never, never, never>
