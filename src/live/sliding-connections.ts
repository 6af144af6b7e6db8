import { LRUCache } from 'lru-cache'

/** What a client has of a room by one connection. */
export interface SentRoom {
  readonly membership: string
  readonly timelineLimit: number
  /** The state that it asked for, as `patternKey` names each piece. */
  readonly requiredState: ReadonlySet<string>
  readonly direct: boolean
  /** It has the room up to here only, and things have happened since; undefined: up to the connection's position. */
  readonly staleSince: number | undefined
}

/** How far a client has come on one connection. */
export interface SlidingState {
  readonly serial: number
  readonly position: number
  /** Changes of typing lists that it has. */
  readonly typing: number
  /** By room number. */
  readonly rooms: ReadonlyMap<number, SentRoom>
}

/**
 * The connections of sliding syncs, in the memory of this process: one that is not known is begun anew by its client.
 * A client shows what it has by the serial in its `pos`, and may ask by the same one again.
 */
export interface SlidingConnections {
  nextSerial(): number
  /** Undefined: nothing is known of it any more. */
  at(connection: string, serial: number): SlidingState | undefined
  /** An answer is on its way; `before` is what the client has until it comes. */
  answered(connection: string, before: SlidingState | undefined, after: SlidingState): void
}

/** Rooms that are remembered for all connections together. */
const MAX_ROOMS = 200_000

interface Connection {
  readonly before: SlidingState | undefined
  readonly after: SlidingState
}

export function createSlidingConnections(): SlidingConnections {
  const sizeCalculation = ({ after }: Connection) => after.rooms.size + 1
  const connections = new LRUCache<string, Connection>({ maxSize: MAX_ROOMS, sizeCalculation })
  let serials = 0
  return {
    nextSerial: () => ++serials,
    at(connection, serial) {
      const known = connections.get(connection)
      return [known?.after, known?.before].find((state) => state?.serial === serial)
    },
    answered: (connection, before, after) => void connections.set(connection, { before, after }),
  }
}
