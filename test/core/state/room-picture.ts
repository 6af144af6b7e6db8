import { roomVersion } from '../../../src/core/room-version.ts'
import { type StateMap, stateMapKey } from '../../../src/core/state/map.ts'
import { type Reading, resolveState, runResolution, type StateEvent } from '../../../src/core/state/resolve.ts'

/** What a test says of an event: `'name': ['@sender', 'type', 'state key', content, 'names of auth events', more]`. */
export type Stroke = readonly [
  sender: string,
  type: string,
  stateKey: string,
  content: object,
  auth: string,
  more?: { ts?: number; depth?: number; rejected?: boolean },
]

export interface Picture {
  readonly version: string
  readonly events: ReadonlyMap<string, StateEvent>
}

/** The events of a room, at times and depths in the order of writing. In version 12 the create event is `create`. */
export function picture(version: string, strokes: Readonly<Record<string, Stroke>>): Picture {
  const events = new Map<string, StateEvent>()
  let at = 0
  for (const [name, [sender, type, stateKey, content, auth, more]] of Object.entries(strokes)) {
    at += 1
    const named = auth.split(' ').filter((id) => id !== '' && !(version === '12' && id === 'create'))
    const event = {
      eventId: `$${name}`,
      roomId: version === '12' ? '!create' : '!room:a',
      type,
      stateKey,
      sender: `${sender}:a`,
      content,
      originServerTs: more?.ts ?? at,
      depth: more?.depth ?? at,
      prevEvents: type === 'm.room.create' ? [] : ['$before'],
      authEvents: named.map((id) => `$${id}`),
      ...(more?.rejected === true ? { rejected: true } : {}),
    }
    events.set(event.eventId, event as unknown as StateEvent)
  }
  return { version, events }
}

/** The names of what stands in the resolved state, sorted; each state is a text of names. */
export function resolved(room: Picture, states: readonly string[], reading?: Reading): string {
  const sets = states.map((names) => stateOf(room, names))
  const result = runResolution(resolveState(roomVersion(room.version)!, sets, reading), (ids) => {
    return new Map(ids.flatMap((id) => (room.events.has(id) ? [[id, room.events.get(id)!] as const] : [])))
  })
  return [...result.values()]
    .map((id) => id.slice(1))
    .sort()
    .join(' ')
}

function stateOf(room: Picture, names: string): StateMap {
  const ids = names.split(' ').map((name) => `$${name}`)
  return new Map(
    ids.map((id) => {
      const event = room.events.get(id)
      // What nobody knows stands under a key of its own.
      const key =
        event === undefined ? stateMapKey('org.example.missing', '') : stateMapKey(event.type, event.stateKey!)
      return [key, id as StateEvent['eventId']]
    }),
  )
}
