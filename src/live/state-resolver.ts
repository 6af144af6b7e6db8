import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { EventId } from '../core/ids.ts'
import { type Errcode, MatrixError } from '../core/matrix-error.ts'
import type { StateMap } from '../core/state/map.ts'
import type { ConflictRequest } from '../core/state/resolve.ts'
import type { StateRow } from '../store/pdus.ts'
import { createPlaces } from './places.ts'
import type { Timers } from './time.ts'

/** Resolves large conflicts of state in a thread of its own, one at a time, so that the loop goes on meanwhile. */
export interface StateResolver {
  /**
   * What is chosen in a conflict, as `resolveConflict` returns it; undefined where there is no thread, and the caller
   * has to do it. Errors: those of `answer`; M_TOO_LARGE when it takes more events, memory or time than it may;
   * M_LIMIT_EXCEEDED when too many wait.
   */
  resolve(
    version: string,
    parts: readonly StateMap[],
    answer: (request: ConflictRequest) => Promise<ThreadAnswer>,
  ): Promise<StateMap | undefined>
  close(): Promise<void>
}

/** As the database has them: the thread parses the texts. `reached` answers a request of that name. */
export interface ThreadAnswer {
  readonly rows: readonly StateRow[]
  readonly reached: readonly EventId[]
}

export type ToThread =
  | { readonly say: 'resolve'; readonly version: string; readonly parts: readonly StateMap[] }
  | { readonly say: 'answer'; readonly answer: ThreadAnswer }

export type FromThread =
  | { readonly say: 'ask'; readonly request: ConflictRequest }
  | { readonly say: 'chosen'; readonly chosen: StateMap }
  | { readonly say: 'refused'; readonly errcode: Errcode; readonly message: string }

export interface StateResolverOptions {
  /** The program of the thread; without one there is none. */
  readonly script: string | undefined
  readonly timers: Timers
  readonly log: Logger
  readonly limits?: Partial<StateResolverLimits>
}

export interface StateResolverLimits {
  readonly heapMb: number
  readonly timeMs: number
}

/** A hundred thousand conflicted members take some 300 MB, and a minute on a slow machine. */
const LIMITS: StateResolverLimits = { heapMb: 768, timeMs: 180_000 }
const YOUNG_HEAP_MB = 16
const WAITING_MAX = 1_000
/** A thread that nobody needs for so long ends: it holds its memory. */
const IDLE_MS = 10_000

export function createStateResolver({ script, timers, log, limits }: StateResolverOptions): StateResolver {
  const { heapMb, timeMs } = { ...LIMITS, ...limits }
  const places = createPlaces(1, WAITING_MAX, 'Too many conflicts at once.')
  let thread: Worker | undefined
  let closed = script === undefined
  let cancelIdle: () => void = () => undefined

  function start(path: string): Worker {
    const resourceLimits = { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: YOUNG_HEAP_MB }
    return new Worker(path, { execArgv: [], env: {}, resourceLimits })
  }

  async function end(): Promise<void> {
    const ending = thread
    thread = undefined
    await ending?.terminate()
  }

  async function work(...[version, parts, answer]: Parameters<StateResolver['resolve']>) {
    if (closed) return undefined
    cancelIdle()
    const over = timeout(timers, timeMs)
    try {
      thread ??= start(script ?? '')
      thread.ref()
      const chosen = await Promise.race([converse(thread, { say: 'resolve', version, parts }, answer), over.error])
      thread?.unref()
      cancelIdle = timers.after(IDLE_MS, () => void end())
      return chosen
    } catch (error) {
      await end()
      if (!(error instanceof ThreadFailed)) throw error
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') throw tooLarge('memory')
      if (!closed) log.error({ err: error }, 'there is no thread for state resolution')
      return undefined
    } finally {
      over.cancel()
    }
  }

  return {
    resolve: (version, parts, answer) => places(() => work(version, parts, answer)),
    async close() {
      closed = true
      cancelIdle()
      await end()
    },
  }
}

/** Hands over a conflict and answers until it is resolved. Errors: ThreadFailed; those of `answer`; what it refuses. */
function converse(
  thread: Worker,
  conflict: ToThread,
  answer: (request: ConflictRequest) => Promise<ThreadAnswer>,
): Promise<StateMap> {
  return new Promise<StateMap>((resolve, reject) => {
    const hear = (message: FromThread) => {
      if (message.say === 'ask')
        answer(message.request).then((given) => thread.postMessage({ say: 'answer', answer: given }), leave(reject))
      else if (message.say === 'chosen') leave(resolve)(message.chosen)
      else leave(reject)(new MatrixError(message.errcode, message.message))
    }
    const fail = (error: Error) => leave(reject)(new ThreadFailed(error))
    const exit = () => fail(new Error('the thread has ended'))
    function leave<T>(settle: (value: T) => void): (value: T) => void {
      return (value) => {
        thread.off('message', hear).off('error', fail).off('exit', exit)
        settle(value)
      }
    }
    thread.on('message', hear).on('error', fail).on('exit', exit)
    thread.postMessage(conflict)
  })
}

/** The thread is not there, or not any more. */
class ThreadFailed extends Error {
  override readonly name = 'ThreadFailed'
  readonly code: string | undefined

  constructor(cause: Error) {
    super(cause.message, { cause })
    this.code = (cause as NodeJS.ErrnoException).code
  }
}

function timeout(timers: Timers, ms: number): { readonly error: Promise<never>; readonly cancel: () => void } {
  let cancel: () => void = () => undefined
  const error = new Promise<never>((_resolve, reject) => {
    cancel = timers.after(ms, () => reject(tooLarge('time')))
  })
  return { error, cancel }
}

function tooLarge(what: string): MatrixError {
  return new MatrixError('M_TOO_LARGE', `The conflict takes more ${what} than it may`)
}
