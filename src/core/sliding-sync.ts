/** MSC4186, "Simplified sliding sync": what a client wants of its rooms. */

/** A type and a state key; `*` stands for all, `$ME` for the user, `$LAZY` for the senders of a timeline. */
export type StatePattern = readonly [type: string, stateKey: string]

/** What is wanted of a room. */
export interface RoomConfig {
  readonly timelineLimit: number
  readonly requiredState: readonly StatePattern[]
}

/** One list of rooms: those that the filters let in, newest first, and of them those within the ranges. */
export interface ListWish extends RoomConfig {
  /** First and last index, both included; undefined: all of them. */
  readonly ranges: readonly (readonly [first: number, last: number])[] | undefined
  readonly filters: RoomFilters
}

/** Undefined lets everything in. */
export interface RoomFilters {
  readonly direct?: boolean | undefined
  readonly encrypted?: boolean | undefined
  readonly invited?: boolean | undefined
  /** Null is a room without a type. */
  readonly types?: readonly (string | null)[] | undefined
  readonly notTypes?: readonly (string | null)[] | undefined
  readonly tags?: readonly string[] | undefined
  readonly notTags?: readonly string[] | undefined
  /** Ids of spaces: rooms that one of them names. */
  readonly spaces?: readonly string[] | undefined
}

/** What filters read of a room. */
export interface FilterableRoom {
  readonly direct: boolean
  readonly encrypted: boolean
  readonly invited: boolean
  readonly type: string | null
  readonly tags: readonly string[]
  readonly spaces: ReadonlySet<string>
}

export function roomPasses(filters: RoomFilters, room: FilterableRoom): boolean {
  const { direct, encrypted, invited, types, notTypes, tags, notTags, spaces } = filters
  if (direct !== undefined && direct !== room.direct) return false
  if (encrypted !== undefined && encrypted !== room.encrypted) return false
  if (invited !== undefined && invited !== room.invited) return false
  if (notTypes?.includes(room.type) === true || types?.includes(room.type) === false) return false
  if (room.tags.some((tag) => notTags?.includes(tag))) return false
  if (tags !== undefined && !room.tags.some((tag) => tags.includes(tag))) return false
  return spaces === undefined || spaces.some((space) => room.spaces.has(space))
}

export function isWithin(ranges: ListWish['ranges'], index: number): boolean {
  return ranges === undefined || ranges.some(([first, last]) => index >= first && index <= last)
}

/** What two rules together want of a room. */
export function bothConfigs(a: RoomConfig, b: RoomConfig): RoomConfig {
  return {
    timelineLimit: Math.max(a.timelineLimit, b.timelineLimit),
    requiredState: [...a.requiredState, ...b.requiredState],
  }
}

export function patternKey([type, stateKey]: StatePattern): string {
  return JSON.stringify([type, stateKey])
}

/** The state that a config asks for. */
export interface StateWish {
  /** The members who sent what a timeline shows, and those whose steps it shows. */
  readonly lazyMembers: boolean
  /** The only users whose member events are wanted besides; undefined: everybody's. */
  readonly members: readonly string[] | undefined
  /** Of a piece of state that is there. */
  wants(type: string, stateKey: string): boolean
}

const MEMBER = 'm.room.member'

/** With members loaded lazily `*` for all types leaves them out. */
export function stateWish(patterns: readonly StatePattern[], userId: string): StateWish {
  const isLazy = ([type, key]: StatePattern) => key === '$LAZY' && (type === MEMBER || type === '*')
  const lazyMembers = patterns.some(isLazy)
  const ofMembers = patterns.filter(([type]) => type === MEMBER || (type === '*' && !lazyMembers))
  const keyOf = (key: string) => (key === '$ME' ? userId : key)
  const keys = ofMembers.map(([, key]) => keyOf(key))
  const byType = new Map<string, Set<string>>()
  for (const [type, key] of patterns) {
    const known = byType.get(type)
    if (known === undefined) byType.set(type, new Set([keyOf(key)]))
    else known.add(keyOf(key))
  }
  const has = (type: string, stateKey: string) => {
    const wanted = byType.get(type)
    return wanted !== undefined && (wanted.has('*') || wanted.has(stateKey))
  }
  return {
    lazyMembers,
    members: keys.includes('*') ? undefined : keys.filter((key) => key.startsWith('@')),
    wants: (type, stateKey) => has(type, stateKey) || ((type !== MEMBER || !lazyMembers) && has('*', stateKey)),
  }
}
