import { throwReplyFaults } from '../helpers/replies.ts'
import type { TestServer } from '../helpers/server.ts'
import { LIMITS } from './limits.ts'
import { answerTo, ENDS_SESSIONS, type HostileRequest, hostileRequest, ROUTES } from './requests.ts'
import { makeScene, type Scene, spareToken } from './scene.ts'

export interface Assault {
  readonly server: TestServer
  readonly peer: TestServer
  readonly seed: number
  readonly requests: number
  /** Only to this route, as `METHOD path`. */
  readonly only?: string
  /** How long an answer may take: much, on a busy machine. */
  readonly patienceMs?: number
}

const PATIENCE_MS = 20_000
/** How long a long poll is listened to. */
const POLL_MS = 60
/** The room and its people are worn out after so many requests. */
const SCENE_REQUESTS = 300

/**
 * Sends the requests of a seed one after the other, and resolves with what must not be: an answer of 5xx, an error
 * without errcode, no answer in time, anything that the server logs as an error of its own.
 */
export async function assault(wish: Assault): Promise<string[]> {
  const { server, peer, seed, requests, only, patienceMs = PATIENCE_MS } = wish
  const failures = collectFailures(server)
  const faults: string[] = []
  const routes = ROUTES.filter(({ method, path }) => only === undefined || `${method} ${path}` === only)
  let scene = await makeScene(server, peer)
  let worn = 0
  for (let n = 0; n < requests; n++) {
    const hostile = hostileRequest(seed, n, routes[n % routes.length]!, scene)
    const polls = LIMITS.get(hostile.route)?.polls === true
    const { status, text } = await answerTo(server, hostile, polls ? POLL_MS : patienceMs)
    const logged = failures.splice(0)
    const wrong = status === undefined ? !polls : faultIn(hostile, status, text)
    if (wrong || logged.length > 0) faults.push(told(`seed ${seed} request ${n}`, hostile, status, text, logged))
    drainReplies()
    worn++
    if (hasEnded(hostile, scene, text)) {
      if (ENDS_SESSIONS.test(hostile.path)) scene.spare = await spareToken(server)
      else worn = SCENE_REQUESTS
    }
    if (worn < SCENE_REQUESTS) continue
    scene = await makeScene(server, peer)
    worn = 0
  }
  return faults
}

/** Whether the answer must not be. */
function faultIn({ route }: HostileRequest, status: number, text: string): boolean {
  if (status >= 500) return LIMITS.get(route)?.gateway.includes(status) !== true
  // Clients of OAuth 2.0 read errors of its own.
  const error = route.includes('/client/oauth/') ? '"error_description"' : '"errcode"'
  return status >= 400 && text.startsWith('{') && !text.includes(error) && !text.includes('"errcode"')
}

/** All that is needed to look into it. */
function told(which: string, { method, path, body }: HostileRequest, status: number | undefined, ...more: unknown[]) {
  const sent = body === undefined ? '' : Buffer.from(body).toString('utf8').slice(0, 300)
  return [`${which}: ${status ?? 'no answer'} to ${method} ${path.slice(0, 300)} ${sent}`, ...more.flat()].join('\n')
}

/** What the answers hold is held against the schemas by the tests of the endpoints. */
function drainReplies(): void {
  try {
    throwReplyFaults()
  } catch {}
}

function hasEnded({ headers }: HostileRequest, { tokens, spare }: Scene, text: string): boolean {
  const token = headers.Authorization?.replace('Bearer ', '') ?? ''
  return (tokens.includes(token) || token === spare) && /M_UNKNOWN_TOKEN|M_USER_LOCKED|M_USER_SUSPENDED/.test(text)
}

/** Whatever the server logs as an error from now on. */
function collectFailures(server: TestServer): string[] {
  const failures: string[] = []
  const log = server.app.log as unknown as Record<string, unknown>
  for (const level of ['error', 'fatal']) {
    log[level] = ({ err, ...fields }: { err?: Error }, text: string) =>
      failures.push(`logged: ${text} ${JSON.stringify(fields)} ${err?.stack}`)
  }
  return failures
}
