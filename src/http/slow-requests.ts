import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Timers } from '../live/time.ts'

export interface SlowLimits {
  /** Of a client amid a request, looked at as often. */
  readonly silenceMs: number
  /** For all of a body that nothing is done with before its end. */
  readonly bodyMs: number
}

const LIMITS: SlowLimits = { silenceMs: 60_000, bodyMs: 300_000 }

/**
 * Hangs up on clients that begin a request and never come to its end: each would hold a connection, and an upload a
 * file. A file that comes steadily may take as long as it needs. For Fastify's hook `onRequest`.
 */
export function endSlowRequests(timers: Timers, isStreamed: (request: FastifyRequest) => boolean, limits = LIMITS) {
  return (request: FastifyRequest, _reply: unknown, done: () => void): void => {
    const { raw } = request
    if (hasBody(raw)) {
      const stops = [endSilent(raw, timers, limits.silenceMs)]
      if (!isStreamed(request)) stops.push(timers.after(limits.bodyMs, () => raw.socket.destroy()))
      const stop = () => {
        for (const one of stops) one()
      }
      raw.once('end', stop)
      raw.once('close', stop)
    }
    done()
  }
}

/** One without may wait for its answer from its first line on. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function endSilent({ socket }: IncomingMessage, timers: Timers, silenceMs: number): () => void {
  let heard = socket.bytesRead
  let cancel: () => void
  const listen = () => {
    cancel = timers.after(silenceMs, () => {
      if (socket.bytesRead === heard) return socket.destroy()
      heard = socket.bytesRead
      listen()
    })
  }
  listen()
  return () => cancel()
}
