import { parentPort } from 'node:worker_threads'
import type { EventId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { roomVersion } from '../core/room-version.ts'
import type { StateMap } from '../core/state/map.ts'
import { type ConflictRequest, type Resolving, resolveConflict, type StateEvent } from '../core/state/resolve.ts'
import { stateEventOf } from '../store/pdus.ts'
import type { FromThread, ThreadAnswer, ToThread } from './state-resolver.ts'

/**
 * The program of the thread that resolves large conflicts of state: a conflict comes by message, the thread asks for
 * events by message, and says in the end what is chosen. It has no database and no network.
 */
type Answer = Map<EventId, StateEvent | undefined>

/** Events that are asked for together: the server reads them in one turn of its loop. */
const EVENTS_AT_ONCE = 200

let running: Running | undefined

interface Running {
  readonly resolution: Resolving<StateMap>
  /** What is still to be asked of one request, and what is answered. */
  pieces: ConflictRequest[]
  answer: Answer
}

parentPort?.on('message', (message: ToThread) => {
  try {
    if (message.say === 'resolve') begin(message)
    else if (running !== undefined) goOn(running, message.answer)
  } catch (error) {
    running = undefined
    if (!(error instanceof MatrixError)) throw error
    tell({ say: 'refused', errcode: error.errcode, message: error.message })
  }
})

function begin({ version: name, parts }: Extract<ToThread, { say: 'resolve' }>): void {
  const version = roomVersion(name)
  if (version === undefined) throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Room version ${name} is not known.`)
  const resolution = resolveConflict(version, parts)
  running = { resolution, pieces: [], answer: new Map() }
  take(running, resolution.next())
}

function goOn(at: Running, { rows, reached }: ThreadAnswer): void {
  for (const row of rows) at.answer.set(row.event_id, stateEventOf(row))
  for (const id of reached) at.answer.set(id, undefined)
  const next = at.pieces.shift()
  if (next === undefined) {
    const { answer } = at
    at.answer = new Map()
    take(at, at.resolution.next(answer))
  } else tell({ say: 'ask', request: next })
}

function take(at: Running, step: IteratorResult<ConflictRequest, StateMap>): void {
  if (step.done === true) {
    running = undefined
    tell({ say: 'chosen', chosen: step.value })
    return
  }
  const [first, ...others] = inPieces(step.value)
  at.pieces = others
  tell({ say: 'ask', request: first ?? step.value })
}

function inPieces(request: ConflictRequest): ConflictRequest[] {
  if (request.ask === 'reached') return [request]
  if (request.ask === 'events') return slices(request.ids).map((ids) => ({ ask: 'events', ids }))
  return slices(request.keys).map((keys) => ({ ask: 'agreed', keys }))
}

function slices<T>(items: readonly T[]): T[][] {
  const found: T[][] = []
  for (let start = 0; start < items.length; start += EVENTS_AT_ONCE)
    found.push(items.slice(start, start + EVENTS_AT_ONCE))
  return found
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message)
}
