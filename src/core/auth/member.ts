import type { JsonObject } from '../json.ts'
import { own } from '../json.ts'
import { creatorsOf } from '../power-levels.ts'
import { authoriseThirdPartyInvite } from './third-party-invite.ts'
import { ALLOW, type Case, deny, membershipIn, type StateReader, type Verdict } from './verdict.ts'

/** Who may change whose membership to what. Signatures of vouching servers are for `authoriseSigned` to check. */
export function authoriseMember(held: Case): Verdict {
  const { event, version } = held
  const membership = own(event.content, 'membership')
  if (event.stateKey === null || typeof membership !== 'string') {
    return deny(version, 'member.shape', 'no state key or no membership')
  }
  if (membership === 'join') return join(held, event.stateKey)
  if (membership === 'invite') return invite(held, event.stateKey)
  if (membership === 'leave') return leave(held, event.stateKey)
  if (membership === 'ban') return ban(held, event.stateKey)
  if (membership === 'knock' && version.knock) return knock(held, event.stateKey)
  return deny(version, 'member.otherwise', `membership ${membership} is not known`)
}

function join(held: Case, target: string): Verdict {
  const { event, create, version, state } = held
  // The creator joins right after the create event.
  const first = event.prevEvents.length === 1 && event.prevEvents[0] === create.eventId
  if (first && creatorsOf(version, create)[0] === target) return ALLOW
  if (event.sender !== target) return deny(version, 'member.join.sender', 'one joins for oneself alone')
  const membership = membershipIn(state, target)
  if (membership === 'ban') return deny(version, 'member.join.banned', 'the user is banned')
  const rule = joinRule(state)
  if (rule === 'public') return ALLOW
  const present = membership === 'invite' || membership === 'join'
  if ((rule === 'restricted' && version.restricted) || (rule === 'knock_restricted' && version.knockRestricted)) {
    return present ? ALLOW : vouchedFor(held)
  }
  if (rule === 'invite' || (rule === 'knock' && version.knock)) {
    return present ? ALLOW : deny(version, 'member.join.otherwise', 'the user is not invited')
  }
  return deny(version, 'member.join.otherwise', `join rule ${rule} lets nobody in`)
}

/** A member who may invite has vouched for who joins a restricted room. */
function vouchedFor({ version, event, state, levels }: Case): Verdict {
  const refuse = (reason: string) => deny(version, 'member.join.restricted.voucher', reason)
  const voucher = own(event.content, 'join_authorised_via_users_server')
  if (typeof voucher !== 'string') return refuse('nobody vouches for the user')
  if (membershipIn(state, voucher) !== 'join') return refuse('the vouching user is not in the room')
  return levels.ofUser(voucher) >= levels.invite ? ALLOW : refuse('the vouching user may not invite')
}

function invite(held: Case, target: string): Verdict {
  const { version, event, state, levels, senderLevel } = held
  if (own(event.content, 'third_party_invite') !== undefined) return authoriseThirdPartyInvite(held, target)
  if (membershipIn(state, event.sender) !== 'join') {
    return deny(version, 'member.invite.sender', 'the sender is not in the room')
  }
  const membership = membershipIn(state, target)
  if (membership === 'join' || membership === 'ban') {
    return deny(version, 'member.invite.target', 'the user is in the room or banned')
  }
  return senderLevel >= levels.invite ? ALLOW : deny(version, 'member.invite.otherwise', 'the sender may not invite')
}

function leave(held: Case, target: string): Verdict {
  const { event, state, levels, senderLevel, version } = held
  const membership = membershipIn(state, target)
  // One leaves, declines, and since v7 takes a knock back.
  if (event.sender === target) {
    const mayGo = membership === 'invite' || membership === 'join' || (membership === 'knock' && version.knock)
    return mayGo ? ALLOW : deny(version, 'member.leave.own', 'the user is not in the room')
  }
  if (membershipIn(state, event.sender) !== 'join') {
    return deny(version, 'member.leave.sender', 'the sender is not in the room')
  }
  // Lifting a ban takes the ban level, and what kicking takes.
  if (membership === 'ban' && !(senderLevel >= levels.ban)) {
    return deny(version, 'member.leave.unban', 'the sender may not lift a ban')
  }
  const mayKick = senderLevel >= levels.kick && levels.ofUser(target) < senderLevel
  return mayKick ? ALLOW : deny(version, 'member.leave.otherwise', 'the sender may not remove this user')
}

function ban({ version, event, state, levels, senderLevel }: Case, target: string): Verdict {
  if (membershipIn(state, event.sender) !== 'join') {
    return deny(version, 'member.ban.sender', 'the sender is not in the room')
  }
  const mayBan = senderLevel >= levels.ban && levels.ofUser(target) < senderLevel
  return mayBan ? ALLOW : deny(version, 'member.ban.otherwise', 'the sender may not ban this user')
}

function knock({ event, state, version }: Case, target: string): Verdict {
  const rule = joinRule(state)
  if (rule !== 'knock' && !(rule === 'knock_restricted' && version.knockRestricted)) {
    return deny(version, 'member.knock.join_rule', 'the room takes no knocks')
  }
  if (event.sender !== target) return deny(version, 'member.knock.sender', 'one knocks for oneself alone')
  const membership = membershipIn(state, target)
  const mayKnock = membership !== 'ban' && membership !== 'invite' && membership !== 'join'
  return mayKnock ? ALLOW : deny(version, 'member.knock.otherwise', 'the user is in the room, invited or banned')
}

/** A room without join rules is open to the invited only. */
function joinRule(state: StateReader): string {
  const content: JsonObject | undefined = state('m.room.join_rules', '')?.content
  if (content === undefined) return 'invite'
  const rule = own(content, 'join_rule')
  return typeof rule === 'string' ? rule : ''
}
