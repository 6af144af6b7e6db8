import type { AuthEvent, UserId } from '../../../src/core/event.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../../src/core/json.ts'
import type { RoomVersion } from '../../../src/core/room-version.ts'
import type { Dice } from './dice.ts'

/** What somebody tries to do; the auth rules of the room decide whether it comes to be. */
export interface Draft {
  readonly type: string
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
}

/** The state in which it is tried. */
export type RoomView = (type: string, stateKey: string) => AuthEvent | undefined

type Action = (version: RoomVersion, dice: Dice, view: RoomView, sender: UserId) => Draft

const SERVERS = ['one.example', 'two.example', 'three.example:8448', 'four.example', '[2001:db8::5]']
const USERS = SERVERS.flatMap((server) => [`@anna:${server}`, `@bert:${server}`]) as UserId[]
const LEVELS = [0, 10, 25, 50, 50, 75, 99, 100]
const LEVEL_NAMES = ['ban', 'kick', 'invite', 'state_default', 'events_default', 'users_default', 'redact']
const STATE_TYPES = ['m.room.topic', 'm.room.name', 'org.example.thing']

export const CREATOR = USERS[0]!

/** Create, the creator's join, most often power levels and join rules, and then others may come in. */
export function firstDrafts(version: RoomVersion, dice: Dice): readonly Draft[] {
  const others = version.privilegedCreators && dice.below(2) === 0 ? { additional_creators: [USERS[2]!] } : {}
  const creator: JsonObject = version.creatorIsSender ? {} : { creator: CREATOR }
  const create = draft('m.room.create', '', CREATOR, { room_version: version.id, ...creator, ...others })
  const drafts = [create, draft('m.room.member', CREATOR, CREATOR, { membership: 'join' })]
  if (dice.below(5) > 0) drafts.push(draft('m.room.power_levels', '', CREATOR, firstLevels(version, dice)))
  if (dice.below(5) > 0) drafts.push(draft('m.room.join_rules', '', CREATOR, { join_rule: 'public' }))
  return drafts
}

function firstLevels(version: RoomVersion, dice: Dice): JsonObject {
  const creator: JsonObject = version.privilegedCreators ? {} : { [CREATOR]: 100 }
  const users = { ...creator, [USERS[1]!]: dice.pick(LEVELS), [USERS[4]!]: dice.pick(LEVELS) }
  const stateDefault: JsonObject = dice.below(2) === 0 ? {} : { state_default: dice.pick([0, 25, 50]) }
  return { users, ...stateDefault, events: { 'm.room.topic': dice.pick([0, 0, 25]) } }
}

/** One attempt. It need not be allowed, though the sender is mostly somebody who is in the room. */
export function randomDraft(version: RoomVersion, dice: Dice, view: RoomView): Draft {
  const joined = USERS.filter((user) => membershipOf(view, user) === 'join')
  const sender = joined.length > 0 && dice.below(10) > 0 ? dice.pick(joined) : dice.pick(USERS)
  return dice.pick(ACTIONS)(version, dice, view, sender)
}

const join: Action = (_version, dice, view) => {
  const outside = USERS.filter((user) => membershipOf(view, user) !== 'join')
  const user = dice.pick(outside.length > 0 && dice.below(5) > 0 ? outside : USERS)
  // A join again of somebody who is in the room changes the member event all the same.
  return draft('m.room.member', user, user, { membership: 'join', displayname: `${dice.below(1000)}` })
}

const leave: Action = (_version, dice, _view, joined) => {
  // Rooms without their creator run dry: mostly it is somebody else who goes.
  const sender = joined === CREATOR && dice.below(20) > 0 ? dice.pick(USERS) : joined
  return draft('m.room.member', sender, sender, { membership: 'leave' })
}

const knock: Action = (_version, dice) => {
  const user = dice.pick(USERS)
  return draft('m.room.member', user, user, { membership: 'knock' })
}

const invite: Action = (_version, dice, _view, sender) => {
  return draft('m.room.member', dice.pick(USERS), sender, { membership: 'invite' })
}

const kickOrUnban: Action = (_version, dice, _view, sender) => {
  return draft('m.room.member', dice.pick(USERS), sender, { membership: 'leave', reason: `${dice.below(1000)}` })
}

const ban: Action = (_version, dice, _view, sender) => {
  return draft('m.room.member', dice.pick(USERS), sender, { membership: 'ban' })
}

const setState: Action = (_version, dice, _view, sender) => {
  const type = dice.pick(STATE_TYPES)
  const stateKey = type === 'org.example.thing' ? dice.pick(['', 'a', 'b', sender]) : ''
  return draft(type, stateKey, sender, { body: `${dice.below(1000)}` })
}

const say: Action = (_version, dice, _view, sender) => {
  return draft('m.room.message', null, sender, { body: `${dice.below(1000)}` })
}

const changeJoinRules: Action = (version, dice, _view, sender) => {
  const rules = ['public', 'public', 'invite']
  if (version.knock) rules.push('knock')
  if (version.restricted) rules.push('restricted')
  if (version.knockRestricted) rules.push('knock_restricted')
  return draft('m.room.join_rules', '', sender, { join_rule: dice.pick(rules) })
}

const changeUserLevel: Action = (version, dice, view, sender) => {
  const content = levelsIn(view)
  const before = own(content, 'users')
  const target = dice.below(4) === 0 ? sender : dice.pick(USERS)
  const users = { ...(isObject(before) ? before : {}), [target]: randomLevel(version, dice) }
  return draft('m.room.power_levels', '', sender, { ...content, users })
}

const changeNamedLevel: Action = (version, dice, view, sender) => {
  const content = levelsIn(view)
  if (dice.below(2) === 0) {
    return draft('m.room.power_levels', '', sender, {
      ...content,
      [dice.pick(LEVEL_NAMES)]: randomLevel(version, dice),
    })
  }
  const before = own(content, 'events')
  const events = { ...(isObject(before) ? before : {}), [dice.pick(STATE_TYPES)]: randomLevel(version, dice) }
  return draft('m.room.power_levels', '', sender, { ...content, events })
}

/** The levels in force with one change, for a change of everything at once would seldom be allowed. */
function levelsIn(view: RoomView): JsonObject {
  return view('m.room.power_levels', '')?.content ?? { users: {} }
}

function randomLevel(version: RoomVersion, dice: Dice): JsonValue {
  const level = dice.pick(LEVELS)
  return !version.integerLevels && dice.below(6) === 0 ? `${level}` : level
}

function membershipOf(view: RoomView, user: UserId): JsonValue | undefined {
  const member = view('m.room.member', user)
  return member === undefined ? undefined : own(member.content, 'membership')
}

function draft(type: string, stateKey: string | null, sender: UserId, content: JsonObject): Draft {
  return { type, stateKey, sender, content }
}

/** As often as they should be tried: joins and topics fill a room, and changes of power are what it is about. */
const ACTIONS: readonly Action[] = [
  ...[join, join, join, join, leave, knock, invite, invite],
  ...[kickOrUnban, kickOrUnban, ban, ban, setState, setState, setState, setState, say],
  ...[changeJoinRules, changeJoinRules, changeUserLevel, changeUserLevel, changeUserLevel, changeNamedLevel],
]
