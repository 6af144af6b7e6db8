import type { JsonObject } from '../json.ts'
import { own } from '../json.ts'
import { creatorsOf } from '../power-levels.ts'
import { thirdPartyInviteHolds } from './third-party-invite.ts'
import { ALLOW, type Case, deny, type StateReader, type Verdict } from './verdict.ts'

/** F: who may change whose membership to what. */
export function authoriseMember(held: Case): Verdict {
  const { event, version } = held
  const membership = own(event.content, 'membership')
  // F0: the event says of whom it speaks, and what.
  if (event.stateKey === null || typeof membership !== 'string') return deny('F0', 'no state key or no membership')
  if (membership === 'join') return join(held, event.stateKey)
  if (membership === 'invite') return invite(held, event.stateKey)
  if (membership === 'leave') return leave(held, event.stateKey)
  if (membership === 'ban') return ban(held, event.stateKey)
  if (membership === 'knock' && version.knock) return knock(held, event.stateKey)
  return deny('F', `membership ${membership} is not known`)
}

/** The user's membership in the state; undefined without a member event. */
export function membershipIn(state: StateReader, userId: string): string | undefined {
  const found = state('m.room.member', userId)
  const membership = found === undefined ? undefined : own(found.content, 'membership')
  return typeof membership === 'string' ? membership : undefined
}

function join(held: Case, target: string): Verdict {
  const { event, create, version, state } = held
  // J1: the creator joins right after the create event.
  const first = event.prevEvents.length === 1 && event.prevEvents[0] === create.eventId
  if (first && creatorsOf(version, create)[0] === target) return ALLOW
  // J2: nobody joins for another.
  if (event.sender !== target) return deny('J2', 'one joins for oneself alone')
  const membership = membershipIn(state, target)
  // J3: the banned stay out.
  if (membership === 'ban') return deny('J3', 'the user is banned')
  const rule = joinRule(state)
  const present = membership === 'invite' || membership === 'join'
  // J4: by invitation; v7+ also where one may knock.
  if (rule === 'invite' || (rule === 'knock' && version.knock)) {
    return present ? ALLOW : deny('J4', 'the user is not invited')
  }
  // J5 (v8+, knock_restricted v10+): invited, or vouched for by a member who may invite.
  if ((rule === 'restricted' && version.restricted) || (rule === 'knock_restricted' && version.knockRestricted)) {
    return present ? ALLOW : vouchedFor(held)
  }
  // J6: public rooms are open. J7: any other rule is closed.
  return rule === 'public' ? ALLOW : deny('J7', `join rule ${rule} lets nobody in`)
}

function vouchedFor({ event, state, levels }: Case): Verdict {
  const voucher = own(event.content, 'join_authorised_via_users_server')
  if (typeof voucher !== 'string') return deny('J5', 'nobody vouches for the user')
  if (membershipIn(state, voucher) !== 'join') return deny('J5', 'the vouching user is not in the room')
  return levels.ofUser(voucher) >= levels.invite ? ALLOW : deny('J5', 'the vouching user may not invite')
}

function invite(held: Case, target: string): Verdict {
  const { event, state, levels, senderLevel } = held
  const membership = membershipIn(state, target)
  // I1: an invite to an address, redeemed.
  if (own(event.content, 'third_party_invite') !== undefined) {
    if (membership === 'ban') return deny('I1', 'the user is banned')
    return thirdPartyInviteHolds(event, state) ? ALLOW : deny('I1', 'the third-party invite does not hold')
  }
  // I2: members invite.
  if (membershipIn(state, event.sender) !== 'join') return deny('I2', 'the sender is not in the room')
  // I3: who is in the room or banned is not invited.
  if (membership === 'join' || membership === 'ban') return deny('I3', 'the user is in the room or banned')
  // I4: the sender has the invite level.
  return senderLevel >= levels.invite ? ALLOW : deny('I4', 'the sender may not invite')
}

function leave(held: Case, target: string): Verdict {
  const { event, state, levels, senderLevel, version } = held
  const membership = membershipIn(state, target)
  // L1: one leaves, declines, and v7+ takes a knock back.
  if (event.sender === target) {
    const mayGo = membership === 'invite' || membership === 'join' || (membership === 'knock' && version.knock)
    return mayGo ? ALLOW : deny('L1', 'the user is not in the room')
  }
  // L2: members remove others.
  if (membershipIn(state, event.sender) !== 'join') return deny('L2', 'the sender is not in the room')
  // L3: lifting a ban takes the ban level.
  if (membership === 'ban' && !(senderLevel >= levels.ban)) return deny('L3', 'the sender may not lift a ban')
  // L4: the kick level, and more power than the target.
  const mayKick = senderLevel >= levels.kick && levels.ofUser(target) < senderLevel
  return mayKick ? ALLOW : deny('L4', 'the sender may not remove this user')
}

function ban({ event, state, levels, senderLevel }: Case, target: string): Verdict {
  // B1: members ban.
  if (membershipIn(state, event.sender) !== 'join') return deny('B1', 'the sender is not in the room')
  // B2: the ban level, and more power than the target.
  const mayBan = senderLevel >= levels.ban && levels.ofUser(target) < senderLevel
  return mayBan ? ALLOW : deny('B2', 'the sender may not ban this user')
}

function knock({ event, state, version }: Case, target: string): Verdict {
  const rule = joinRule(state)
  // K1 (v7+, knock_restricted v10+): the room takes knocks.
  if (rule !== 'knock' && !(rule === 'knock_restricted' && version.knockRestricted)) {
    return deny('K1', 'the room takes no knocks')
  }
  // K2: nobody knocks for another.
  if (event.sender !== target) return deny('K2', 'one knocks for oneself alone')
  // K3: who is in, invited or banned does not knock.
  const membership = membershipIn(state, target)
  const mayKnock = membership !== 'ban' && membership !== 'invite' && membership !== 'join'
  return mayKnock ? ALLOW : deny('K3', 'the user is in the room, invited or banned')
}

/** A room without join rules is open to the invited only. */
function joinRule(state: StateReader): string {
  const content: JsonObject | undefined = state('m.room.join_rules', '')?.content
  if (content === undefined) return 'invite'
  const rule = own(content, 'join_rule')
  return typeof rule === 'string' ? rule : ''
}
