import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import { type Outbound, type OutboundReply, Unreachable } from './outbound.ts'

const TIMEOUT_MS = 30_000
const ANSWER_BYTES_MAX = 65_536

/** The gateway answered, and takes no such notification. */
export class NotificationRefused extends Error {
  override readonly name = 'NotificationRefused'
}

/**
 * Hands a notification to a push gateway (Push Gateway API, `/notify`). Resolves with the pushkeys that it knows no
 * more. Errors: Unreachable, also when it says that it cannot now; NotificationRefused.
 */
export async function notifyGateway(
  outbound: Outbound,
  url: string,
  notification: JsonObject,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { origin, pathname, search } = new URL(url)
  const reply = await outbound.request({
    method: 'POST',
    origin,
    path: pathname + search,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ notification }),
    timeoutMs: TIMEOUT_MS,
    maxBytes: ANSWER_BYTES_MAX,
    signal,
  })
  const { status } = reply
  if (status >= 200 && status < 300) return rejectedIn(reply)
  const reason = `${origin} answers ${status}`
  if (status === 408 || status === 429 || status >= 500) throw new Unreachable(reason)
  throw new NotificationRefused(reason)
}

function rejectedIn({ body }: OutboundReply): ReadonlySet<string> {
  try {
    const answer = parseJson(body.toString())
    const rejected = isObject(answer) ? own(answer, 'rejected') : undefined
    return new Set(Array.isArray(rejected) ? rejected.filter((key) => typeof key === 'string') : [])
  } catch {
    return new Set()
  }
}
