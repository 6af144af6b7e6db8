import { Unreachable } from '../../src/remote/outbound.ts'
import type { ServerRequest, Transport } from '../../src/remote/transport.ts'
import type { Dice } from '../core/state/dice.ts'
import { receiveBy } from '../helpers/receive-by.ts'
import type { SimulatedTime } from './time.ts'

export type Answer = Awaited<ReturnType<Transport['send']>>

/** Whoever answers under a server's name; undefined: nothing listens there, or it hangs up. */
export type Peer = (request: ServerRequest) => Promise<Answer | undefined>

export interface Weather {
  readonly delayMaxMs: number
  /** Of a hundred requests, and of a hundred answers, so many are lost. */
  readonly lossPercent: number
  /** Of a hundred requests so many arrive twice. */
  readonly twicePercent: number
}

export const FAIR: Weather = { delayMaxMs: 20, lossPercent: 0, twicePercent: 0 }

export interface SimulatedNetwork {
  readonly peers: Map<string, Peer>
  weather: Weather
  /** Servers in different parts do not reach one another. Who is not named is in part 0. */
  parts: ReadonlyMap<string, number>
  transportOf(from: string): Transport
}

/** Carries requests with delay, out of order, twice or not at all, as the dice say. */
export function createNetwork(time: SimulatedTime, dice: Dice, trace: (line: string) => void): SimulatedNetwork {
  const network: SimulatedNetwork = { peers: new Map(), weather: FAIR, parts: new Map(), transportOf }
  const delay = () => 1 + dice.below(network.weather.delayMaxMs)
  const isLost = () => dice.below(100) < network.weather.lossPercent
  const connected = (a: string, b: string) => (network.parts.get(a) ?? 0) === (network.parts.get(b) ?? 0)

  function transportOf(from: string): Transport {
    const send: Transport['send'] = (request) => new Promise((resolve, reject) => carry(from, request, resolve, reject))
    return { send, receive: receiveBy(send) }
  }

  function carry(
    from: string,
    request: ServerRequest,
    resolve: (answer: Answer) => void,
    reject: (error: Unreachable) => void,
  ): void {
    const { destination: to } = request
    const done = () => {
      stopTimer()
      request.signal?.removeEventListener('abort', hangUp)
    }
    const fail = (reason: string) => {
      done()
      reject(new Unreachable(`${to} ${reason}`))
    }
    const hangUp = () => fail('is not waited for')
    const stopTimer = time.after(request.timeoutMs, () => fail('does not answer in time'))
    request.signal?.addEventListener('abort', hangUp, { once: true })
    const arrive = async () => {
      if (isLost() || !connected(from, to)) return trace(`lost ${from} ${to} ${request.method} ${request.uri}`)
      trace(`carried ${from} ${to} ${request.method} ${request.uri}`)
      const peer = network.peers.get(to)
      const answer = peer === undefined ? undefined : await peer(request)
      time.after(delay(), () => {
        if (isLost() || !connected(to, from)) return trace(`answer lost ${to} ${from} ${request.uri}`)
        if (answer === undefined) return fail('hung up')
        done()
        resolve(answer)
      })
    }
    const copies = dice.below(100) < network.weather.twicePercent ? 2 : 1
    for (let copy = 0; copy < copies; copy++) time.after(delay(), () => void arrive())
  }

  return network
}
