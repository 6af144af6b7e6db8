import type { JsonObject } from '../json.ts'
import { isObject, own } from '../json.ts'
import type { RoomVersion } from '../room-version.ts'

/** What the selection reads of an event. */
export interface Selecting {
  readonly type: string
  readonly stateKey: string | null
  readonly sender: string
  readonly content: JsonObject
}

export type StateKeyPair = readonly [type: string, stateKey: string]

const INTO_THE_ROOM: ReadonlySet<unknown> = new Set(['join', 'invite', 'knock'])

/**
 * The state that an event's `auth_events` name, each where the room has it (Server-Server API, "Auth events
 * selection"). In v12 the create event is implied by the room id and not among them.
 */
export function authStateKeys(version: RoomVersion, event: Selecting): readonly StateKeyPair[] {
  if (event.type === 'm.room.create') return []
  const keys: StateKeyPair[] = version.roomIdIsCreateHash ? [] : [['m.room.create', '']]
  keys.push(['m.room.power_levels', ''], ['m.room.member', event.sender])
  if (event.type === 'm.room.member') addForMember(version, event, keys)
  return keys
}

function addForMember(version: RoomVersion, event: Selecting, keys: StateKeyPair[]): void {
  const addMember = (userId: unknown) => {
    const known = (key: StateKeyPair) => key[0] === 'm.room.member' && key[1] === userId
    if (typeof userId === 'string' && !keys.some(known)) keys.push(['m.room.member', userId])
  }
  const membership = own(event.content, 'membership')
  addMember(event.stateKey)
  if (INTO_THE_ROOM.has(membership)) keys.push(['m.room.join_rules', ''])
  if (membership === 'invite') {
    const token = thirdPartyToken(event.content)
    if (token !== undefined) keys.push(['m.room.third_party_invite', token])
  }
  if (membership === 'join' && version.restricted) addMember(own(event.content, 'join_authorised_via_users_server'))
}

function thirdPartyToken(content: JsonObject): string | undefined {
  const invite = own(content, 'third_party_invite')
  const signed = isObject(invite) ? own(invite, 'signed') : undefined
  const token = isObject(signed) ? own(signed, 'token') : undefined
  return typeof token === 'string' ? token : undefined
}
