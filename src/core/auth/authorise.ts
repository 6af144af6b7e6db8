import type { AuthEvent } from '../event.ts'
import { isHistoricalUserId, serverNameOf } from '../ids.ts'
import { own } from '../json.ts'
import { powerLevelsOf } from '../power-levels.ts'
import { ROOM_VERSIONS, type RoomVersion } from '../room-version.ts'
import { authoriseMember, membershipIn } from './member.ts'
import { authorisePowerLevels } from './power-level-changes.ts'
import { ALLOW, type Case, deny, type StateReader, type Verdict } from './verdict.ts'

/**
 * The rules that depend on state (specification: Rooms, "Authorization rules" of each version): may this event follow
 * this state? In v12 the reader returns the create event too, although no event names it.
 */
export function authorise(version: RoomVersion, event: AuthEvent, state: StateReader): Verdict {
  if (event.type === 'm.room.create') return authoriseCreate(version, event)
  const create = state('m.room.create', '')
  // B (v12), C4: without a create event there is no room to be in.
  if (create === undefined) return deny('C4', 'the room has no create event')
  // D: a room that does not federate is closed to the users of other servers.
  if (own(create.content, 'm.federate') === false && serverOf(event.sender) !== serverOf(create.sender)) {
    return deny('D', 'the room does not federate')
  }
  // E (v1-5): an aliases event speaks for the server in its state key.
  if (version.specialAliases && event.type === 'm.room.aliases') {
    return event.stateKey === serverOf(event.sender) ? ALLOW : deny('E', 'the state key is not the sender’s server')
  }
  const levels = powerLevelsOf(version, create, state('m.room.power_levels', ''))
  const held: Case = { version, event, state, create, levels, senderLevel: levels.ofUser(event.sender) }
  // F: membership has rules of its own.
  return event.type === 'm.room.member' ? authoriseMember(held) : authoriseOther(held)
}

function authoriseCreate(version: RoomVersion, event: AuthEvent): Verdict {
  // A1: a create event has no predecessors.
  if (event.prevEvents.length > 0) return deny('A1', 'a create event has no prev_events')
  // A2 (v1-11): the room id belongs to the sender's server. A2' (v12): the event carries none, by its format.
  if (!version.roomIdIsCreateHash && serverOf(event.roomId) !== serverOf(event.sender)) {
    return deny('A2', 'the room id is not of the sender’s server')
  }
  // A3: the room version is one that we know.
  const named = own(event.content, 'room_version')
  if (named !== undefined && (typeof named !== 'string' || !ROOM_VERSIONS.has(named))) {
    return deny('A3', 'the room version is not known')
  }
  // A4 (v1-10): the creator is named.
  if (!version.creatorIsSender && own(event.content, 'creator') === undefined) return deny('A4', 'no creator is named')
  // A4' (v12): additional creators are user ids.
  const additional = version.privilegedCreators ? own(event.content, 'additional_creators') : undefined
  if (additional === undefined) return ALLOW
  const valid =
    Array.isArray(additional) && additional.every((user) => typeof user === 'string' && isHistoricalUserId(user))
  return valid ? ALLOW : deny("A4'", 'additional_creators is not a list of user ids')
}

function authoriseOther(held: Case): Verdict {
  const { event, levels, senderLevel, version } = held
  // G: the sender is joined.
  if (membershipIn(held.state, event.sender) !== 'join') return deny('G', 'the sender is not in the room')
  // H: a third-party invite takes the invite level, and nothing else.
  if (event.type === 'm.room.third_party_invite') {
    return senderLevel >= levels.invite ? ALLOW : deny('H', 'the sender may not invite')
  }
  // I: the sender has the level that the type takes.
  const required = levels.toSend(event.type, event.stateKey !== null)
  if (!(senderLevel >= required)) return deny('I', `sending ${event.type} takes level ${required}`)
  // J: state under a user id is that user's own.
  if (event.stateKey?.startsWith('@') && event.stateKey !== event.sender) {
    return deny('J', 'the state key is another user’s id')
  }
  // K: power levels are guarded entry by entry.
  if (event.type === 'm.room.power_levels') return authorisePowerLevels(held)
  // L (v1-2): redactions are decided here.
  if (version.redactionInAuth && event.type === 'm.room.redaction') return authoriseRedaction(held)
  // M: anything else is allowed.
  return ALLOW
}

function authoriseRedaction({ event, levels, senderLevel }: Case): Verdict {
  // L1: the redact level suffices.
  if (senderLevel >= levels.redact) return ALLOW
  // L2: else the event redacted is of the same server.
  const redacts = (event as { redacts?: unknown }).redacts
  if (typeof redacts === 'string' && serverOf(redacts) === serverOf(event.eventId)) return ALLOW
  return deny('L', 'the sender may not redact the events of other servers')
}

function serverOf(id: string): string {
  return serverNameOf(id)
}

export { checkAuthEvents } from './auth-events.ts'
export type { StateReader, Verdict } from './verdict.ts'
