import { hash } from 'node:crypto'
import type { App } from '../../app.ts'

export interface Tokens {
  readonly accessToken: string
  /** Both are there when the client said that it can refresh. */
  readonly refreshToken?: string
  readonly expiresInMs?: number
}

const TOKEN_BYTES = 32
/** How long an access token is good that can be refreshed. Others are good until the logout. */
const ACCESS_TOKEN_LIFETIME_MS = 3_600_000

/** New tokens. The client alone has them: the database has their hashes. */
export function makeTokens(app: App, refreshable: boolean): Tokens {
  const token = () => app.random.bytes(TOKEN_BYTES).toString('base64url')
  if (!refreshable) return { accessToken: token() }
  return { accessToken: token(), refreshToken: token(), expiresInMs: ACCESS_TOKEN_LIFETIME_MS }
}

/** What of the tokens is stored. */
export function tokenColumns({ accessToken, refreshToken, expiresInMs }: Tokens, nowMs: number) {
  return {
    tokenHash: hashToken(accessToken),
    refreshHash: refreshToken === undefined ? null : hashToken(refreshToken),
    expiresMs: expiresInMs === undefined ? null : nowMs + expiresInMs,
    nowMs,
  }
}

/** Tokens are random, so one round of SHA-256 keeps them safe. */
export function hashToken(token: string): Uint8Array {
  return hash('sha256', token, 'buffer')
}
