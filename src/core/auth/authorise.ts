import type { AuthEvent } from '../event.ts'
import { createEventIdOf, isHistoricalUserId, serverNameOf } from '../ids.ts'
import { own } from '../json.ts'
import { powerLevelsOf } from '../power-levels.ts'
import { ROOM_VERSIONS, type RoomVersion } from '../room-version.ts'
import { authoriseMember } from './member.ts'
import { authorisePowerLevels } from './power-level-changes.ts'
import { ALLOW, type Case, deny, membershipIn, type StateReader, type Verdict } from './verdict.ts'

/**
 * The rules that depend on state (specification: Rooms, "Authorization rules" of each version): may this event follow
 * this state? In v12 the reader returns the create event too, although no event names it.
 */
export function authorise(version: RoomVersion, event: AuthEvent, state: StateReader): Verdict {
  if (event.type === 'm.room.create') return authoriseCreate(version, event)
  const create = state('m.room.create', '')
  // Without a create event there is no room to be in; v12 names the room after it.
  if (version.roomIdIsCreateHash && create?.eventId !== createEventIdOf(event.roomId)) {
    return deny(version, 'room_id', 'the room id is not that of a create event')
  }
  if (create === undefined) return deny(version, 'auth_events.create', 'the room has no create event')
  // A room that does not federate is closed to the users of other servers.
  if (own(create.content, 'm.federate') === false && serverNameOf(event.sender) !== serverNameOf(create.sender)) {
    return deny(version, 'federate', 'the room does not federate')
  }
  if (version.specialAliases && event.type === 'm.room.aliases') return authoriseAliases(version, event)
  const levels = powerLevelsOf(version, create, state('m.room.power_levels', ''))
  const held: Case = { version, event, state, create, levels, senderLevel: levels.ofUser(event.sender) }
  return event.type === 'm.room.member' ? authoriseMember(held) : authoriseOther(held)
}

function authoriseCreate(version: RoomVersion, event: AuthEvent): Verdict {
  if (event.prevEvents.length > 0) return deny(version, 'create.prev_events', 'a create event has no prev_events')
  // The room id belongs to the sender's server; in v12 the event carries none, since it makes it.
  const isRoomIdRight = version.roomIdIsCreateHash
    ? createEventIdOf(event.roomId) === event.eventId
    : serverNameOf(event.roomId) === serverNameOf(event.sender)
  if (!isRoomIdRight) return deny(version, 'create.room_id', 'the room id is not the one that this event may have')
  const named = own(event.content, 'room_version')
  if (named !== undefined && (typeof named !== 'string' || !ROOM_VERSIONS.has(named))) {
    return deny(version, 'create.room_version', 'the room version is not known')
  }
  if (!version.creatorIsSender && own(event.content, 'creator') === undefined) {
    return deny(version, 'create.creator', 'no creator is named')
  }
  const additional = version.privilegedCreators ? own(event.content, 'additional_creators') : undefined
  if (additional === undefined) return ALLOW
  const valid =
    Array.isArray(additional) && additional.every((user) => typeof user === 'string' && isHistoricalUserId(user))
  return valid ? ALLOW : deny(version, 'create.additional_creators', 'additional_creators is not a list of user ids')
}

/** An aliases event of v1-5 speaks for the server in its state key, whoever is in the room. */
function authoriseAliases(version: RoomVersion, event: AuthEvent): Verdict {
  if (event.stateKey === null) return deny(version, 'aliases.state_key', 'there is no state key')
  if (event.stateKey === serverNameOf(event.sender)) return ALLOW
  return deny(version, 'aliases.sender', 'the state key is not the sender’s server')
}

function authoriseOther(held: Case): Verdict {
  const { event, levels, senderLevel, version } = held
  if (membershipIn(held.state, event.sender) !== 'join') return deny(version, 'sender', 'the sender is not in the room')
  // A third-party invite takes the invite level, and nothing else.
  if (event.type === 'm.room.third_party_invite') {
    return senderLevel >= levels.invite ? ALLOW : deny(version, 'third_party_invite.level', 'the sender may not invite')
  }
  const required = levels.toSend(event.type, event.stateKey !== null)
  if (!(senderLevel >= required)) {
    return deny(version, 'required_level', `sending ${event.type} takes level ${required}`)
  }
  // State under a user id is that user's own.
  if (event.stateKey?.startsWith('@') && event.stateKey !== event.sender) {
    return deny(version, 'state_key', 'the state key is another user’s id')
  }
  if (event.type === 'm.room.power_levels') return authorisePowerLevels(held)
  if (version.redactionInAuth && event.type === 'm.room.redaction') return authoriseRedaction(held)
  return ALLOW
}

/** Redactions in v1-2: the redact level suffices, and else the event redacted must be of the same server. */
function authoriseRedaction({ version, event, levels, senderLevel }: Case): Verdict {
  if (senderLevel >= levels.redact) return ALLOW
  const { redacts } = event
  if (redacts !== undefined && serverNameOf(redacts) === serverNameOf(event.eventId)) return ALLOW
  return deny(version, 'redaction.otherwise', 'the sender may not redact the events of other servers')
}

export { checkAuthEvents } from './auth-events.ts'
export type { StateReader, Verdict } from './verdict.ts'
