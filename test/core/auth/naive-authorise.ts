import type { AuthEvent } from '../../../src/core/event.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../../src/core/json.ts'
import type { RoomVersion } from '../../../src/core/room-version.ts'

type View = (type: string, stateKey: string) => AuthEvent | undefined

export interface Scene {
  readonly version: RoomVersion
  readonly event: AuthEvent
  readonly view: View
  readonly create: AuthEvent
}

const NAMED_LEVELS = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']

/**
 * The auth rules once more, line by line from the text of the specification, for what random rooms contain: neither
 * third-party invites, nor joins by another's authority, nor redactions, nor levels of the wrong type.
 */
export function naivelyAllowed(version: RoomVersion, event: AuthEvent, view: View): boolean {
  if (event.type === 'm.room.create') return event.prevEvents.length === 0
  const create = view('m.room.create', '')
  if (create === undefined) return false
  const scene: Scene = { version, event, view, create }
  if (own(create.content, 'm.federate') === false && domain(event.sender) !== domain(create.sender)) return false
  if (event.type === 'm.room.member') return memberAllowed(scene)
  if (membership(scene, event.sender) !== 'join') return false
  if (required(scene) > levelOf(scene, event.sender)) return false
  if (event.stateKey?.startsWith('@') && event.stateKey !== event.sender) return false
  if (event.type === 'm.room.power_levels') return levelsAllowed(scene)
  return true
}

function memberAllowed(scene: Scene): boolean {
  const wanted = own(scene.event.content, 'membership')
  if (scene.event.stateKey === null) return false
  if (wanted === 'join') return joinAllowed(scene, scene.event.stateKey)
  if (wanted === 'invite') return inviteAllowed(scene, scene.event.stateKey)
  if (wanted === 'leave') return leaveAllowed(scene, scene.event.stateKey)
  if (wanted === 'ban') {
    return membership(scene, scene.event.sender) === 'join' && standsAbove(scene, scene.event.stateKey, 'ban')
  }
  if (wanted === 'knock' && scene.version.knock) return knockAllowed(scene, scene.event.stateKey)
  return false
}

function joinAllowed(scene: Scene, target: string): boolean {
  const { version, event, create } = scene
  const creator = version.creatorIsSender ? create.sender : own(create.content, 'creator')
  if (event.prevEvents.length === 1 && event.prevEvents[0] === create.eventId && target === creator) return true
  if (event.sender !== target) return false
  const current = membership(scene, target)
  if (current === 'ban') return false
  const rule = joinRule(scene)
  if (rule === 'public') return true
  const known =
    rule === 'invite' ||
    (rule === 'knock' && version.knock) ||
    (rule === 'restricted' && version.restricted) ||
    (rule === 'knock_restricted' && version.knockRestricted)
  return known && (current === 'invite' || current === 'join')
}

function inviteAllowed(scene: Scene, target: string): boolean {
  if (membership(scene, scene.event.sender) !== 'join') return false
  const current = membership(scene, target)
  if (current === 'join' || current === 'ban') return false
  return levelOf(scene, scene.event.sender) >= namedLevel(scene, 'invite', 0)
}

function leaveAllowed(scene: Scene, target: string): boolean {
  const current = membership(scene, target)
  if (scene.event.sender === target) {
    return current === 'invite' || current === 'join' || (scene.version.knock && current === 'knock')
  }
  if (membership(scene, scene.event.sender) !== 'join') return false
  if (current === 'ban' && levelOf(scene, scene.event.sender) < namedLevel(scene, 'ban', 50)) return false
  return standsAbove(scene, target, 'kick')
}

function knockAllowed(scene: Scene, target: string): boolean {
  const rule = joinRule(scene)
  if (rule !== 'knock' && !(rule === 'knock_restricted' && scene.version.knockRestricted)) return false
  if (scene.event.sender !== target) return false
  const current = membership(scene, target)
  return current !== 'ban' && current !== 'invite' && current !== 'join'
}

function standsAbove(scene: Scene, target: string, name: 'ban' | 'kick'): boolean {
  const mine = levelOf(scene, scene.event.sender)
  return mine >= namedLevel(scene, name, 50) && levelOf(scene, target) < mine
}

function levelsAllowed(scene: Scene): boolean {
  const { version, event, create, view } = scene
  const users = keyed(event.content, 'users')
  if (version.privilegedCreators && creators(create).some((creator) => Object.hasOwn(users, `${creator}`))) return false
  const before = view('m.room.power_levels', '')?.content
  if (before === undefined) return true
  const mine = levelOf(scene, event.sender)
  for (const name of NAMED_LEVELS) {
    const [old, fresh] = [level(before, name), level(event.content, name)]
    if (old !== fresh && Math.max(old ?? Number.NEGATIVE_INFINITY, fresh ?? Number.NEGATIVE_INFINITY) > mine)
      return false
  }
  for (const part of version.guardNotifications ? ['events', 'notifications'] : ['events']) {
    for (const [, old, fresh] of changes(keyed(before, part), keyed(event.content, part))) {
      if (Math.max(old ?? Number.NEGATIVE_INFINITY, fresh ?? Number.NEGATIVE_INFINITY) > mine) return false
    }
  }
  for (const [user, old, fresh] of changes(keyed(before, 'users'), users)) {
    if (old !== undefined && user !== event.sender && old >= mine) return false
    if (fresh !== undefined && fresh > mine) return false
  }
  return true
}

function changes(before: JsonObject, after: JsonObject) {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys]
    .map((key) => [key, level(before, key), level(after, key)] as const)
    .filter(([, old, fresh]) => old !== fresh)
}

/** Old room versions write levels as text too: "50" is no change from 50. */
function level(levels: JsonObject, key: string): number | undefined {
  const value = own(levels, key)
  return value === undefined ? undefined : Number(value)
}

function required(scene: Scene): number {
  const levels = scene.view('m.room.power_levels', '')?.content
  const special = levels === undefined ? undefined : own(keyed(levels, 'events'), scene.event.type)
  if (special !== undefined) return Number(special)
  if (scene.event.stateKey === null) return namedLevel(scene, 'events_default', 0)
  return namedLevel(scene, 'state_default', 50)
}

export function levelOf(scene: Scene, user: string): number {
  const { version, create, view } = scene
  if (version.privilegedCreators && creators(create).includes(user)) return Number.POSITIVE_INFINITY
  const levels = view('m.room.power_levels', '')?.content
  if (levels === undefined) {
    const creator = version.creatorIsSender ? create.sender : own(create.content, 'creator')
    return user === creator ? 100 : 0
  }
  return Number(own(keyed(levels, 'users'), user) ?? own(levels, 'users_default') ?? 0)
}

function namedLevel(scene: Scene, name: string, otherwise: number): number {
  const levels = scene.view('m.room.power_levels', '')?.content
  return Number((levels === undefined ? undefined : own(levels, name)) ?? otherwise)
}

function creators(create: AuthEvent): readonly JsonValue[] {
  const others = own(create.content, 'additional_creators')
  return [create.sender, ...(Array.isArray(others) ? (others as readonly JsonValue[]) : [])]
}

function keyed(content: JsonObject, key: string): JsonObject {
  const value = own(content, key)
  return value !== undefined && isObject(value) ? value : {}
}

function membership(scene: Scene, user: string): JsonValue | undefined {
  const member = scene.view('m.room.member', user)
  return member === undefined ? undefined : own(member.content, 'membership')
}

function joinRule(scene: Scene): JsonValue {
  const rules = scene.view('m.room.join_rules', '')
  return (rules === undefined ? undefined : own(rules.content, 'join_rule')) ?? 'invite'
}

function domain(id: string): string {
  return id.slice(id.indexOf(':') + 1)
}
