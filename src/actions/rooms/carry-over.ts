import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../../core/json.ts'
import { type PushRule, type PushRuleset, pushRulesContent, rulesetFrom } from '../../core/push-rules.ts'
import { putPushRule } from '../../core/push-rules-edit.ts'
import { accountData } from '../../store/account-data.ts'
import { membershipOf } from '../../store/memberships.ts'
import { aliasesOf, moveAliases, publishRoom, roomById, roomSummary } from '../../store/rooms.ts'
import { currentContent } from '../../store/state.ts'
import { editAccountData } from '../accounts/set-account-data.ts'
import { write } from '../write.ts'

/**
 * When the room replaces another one that the user is or was in: tags, direct chats and push rules of the old room hold
 * for the new one as well, and this server's aliases and its place in our directory go over to it (Client-Server API,
 * "Room Upgrades", server behaviour). Done again, it changes nothing.
 */
export async function carryOver(app: App, userId: UserId, roomId: string): Promise<void> {
  const create = await currentContent(app.db, roomId, 'm.room.create', '')
  const predecessor = create && own(create, 'predecessor')
  const from = isObject(predecessor) ? own(predecessor, 'room_id') : undefined
  const old = typeof from === 'string' && from !== roomId ? await roomById(app.db, from) : undefined
  if (old === undefined || (await membershipOf(app.db, old.room, userId)) === undefined) return
  await replaceInDirectory(app, old.room_id, roomId)
  await carryTags(app, userId, old.room_id, roomId)
  await edit(app, userId, 'm.direct', (content) => withDirect(content, old.room_id, roomId))
  await edit(app, userId, 'm.push_rules', (content) => withRules(app, userId, content, old.room_id, roomId))
}

/** Only what the old room itself names as its replacement takes its place. */
async function replaceInDirectory(app: App, from: string, to: string): Promise<void> {
  const tombstone = await currentContent(app.db, from, 'm.room.tombstone', '')
  if (tombstone === undefined || own(tombstone, 'replacement_room') !== to) return
  const [old, replacement] = [await roomSummary(app.db, from), await roomSummary(app.db, to)]
  if (old === undefined || replacement === undefined) return
  const hasAliases = (await aliasesOf(app.db, old.room, 1)).length > 0
  if (!hasAliases && old.published === 0) return
  const published = old.published === 1 ? [publishRoom(old.room, false), publishRoom(replacement.room, true)] : []
  const writes = [moveAliases(old.room, replacement.room), ...published]
  await write(app, { guards: [], writes, log: [{ kind: 'directory' }] })
}

async function carryTags(app: App, userId: UserId, from: string, to: string): Promise<void> {
  const { content } = await accountData(app.db, userId, from, 'm.tag')
  if (content === undefined) return
  const tags = parseJson(content) as JsonObject
  const place = { roomId: to, type: 'm.tag' }
  await editAccountData(app, userId, place, (before) => (before === undefined ? tags : objectOf(before)))
}

/** Changes global account data where there is something to change. */
async function edit(
  app: App,
  userId: UserId,
  type: string,
  change: (content: JsonObject) => JsonObject | undefined,
): Promise<void> {
  const { content } = await accountData(app.db, userId, '', type)
  if (content === undefined || change(objectOf(content)) === undefined) return
  const place = { roomId: '', type }
  await editAccountData(app, userId, place, (before) => {
    const known = objectOf(before ?? '{}')
    return change(known) ?? known
  })
}

function objectOf(text: string): JsonObject {
  const value = parseJson(text)
  return isObject(value) ? value : {}
}

/** `m.direct` names rooms by the user that one talks to in them. */
function withDirect(content: JsonObject, from: string, to: string): JsonObject | undefined {
  let changed = false
  const entries = Object.entries(content).map(([user, rooms]): [string, JsonValue] => {
    if (!Array.isArray(rooms) || !rooms.includes(from) || rooms.includes(to)) return [user, rooms]
    changed = true
    return [user, [...(rooms as readonly JsonValue[]), to]]
  })
  return changed ? Object.fromEntries(entries) : undefined
}

function withRules(app: App, userId: UserId, content: JsonObject, from: string, to: string): JsonObject | undefined {
  let rules: PushRuleset = rulesetFrom(userId, content, app.config.user_api.legacy_mentions)
  let changed = false
  for (const kind of ['override', 'room', 'underride'] as const) {
    const rule = rules[kind].find((known) => known.rule_id === from)
    if (rule === undefined || rules[kind].some((known) => known.rule_id === to)) continue
    rules = putPushRule(rules, kind, forRoom(rule, from, to), { after: from })
    changed = true
  }
  return changed ? pushRulesContent(rules) : undefined
}

function forRoom(rule: PushRule, from: string, to: string): PushRule {
  if (rule.conditions === undefined) return { ...rule, rule_id: to }
  const conditions = rule.conditions.map((condition) =>
    own(condition, 'pattern') === from ? { ...condition, pattern: to } : condition,
  )
  return { ...rule, rule_id: to, conditions }
}
