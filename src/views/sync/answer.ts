import type { App } from '../../app.ts'
import { type EventFilter, eventFilterMatches } from '../../core/filter.ts'
import { canonicalJson } from '../../core/json.ts'
import { LongText } from '../../core/long-text.ts'
import { pushRulesContent } from '../../core/push-rules.ts'
import { globalAccountDataSince } from '../../store/account-data.ts'
import type { RoomOfUser } from '../../store/memberships.ts'
import { accountDataText } from '../account-data-text.ts'
import { type Settings, settingsFrom } from '../settings.ts'
import { syncToken } from '../tokens.ts'
import { chooseRooms } from './choose-rooms.ts'
import { readDeviceLists, readKeyCounts } from './devices.ts'
import { newsSince } from './news.ts'
import { readPresence } from './presence.ts'
import { roomParts } from './room-parts.ts'
import { hasNews, type Scope, type SyncRequest } from './scope.ts'
import { readToDevice } from './to-device.ts'

export interface Answer {
  /** Whether there is anything to tell. */
  readonly news: boolean
  readonly json: LongText
}

type Span = Pick<Scope, 'token' | 'since' | 'to' | 'initial' | 'typing'>

/** The answer of one sync, for what the log holds in (since, to]. */
export async function answer(
  app: App,
  request: SyncRequest,
  span: Span,
  rooms: readonly RoomOfUser[],
): Promise<Answer> {
  const { since, to, initial } = span
  const everything = initial || request.fullState
  const news = everything ? undefined : await newsSince(app, request.viewer, rooms, since, to)
  const toDevice = await readToDevice({ app, request, ...span, news })
  const counts = await readKeyCounts(app, request.viewer)
  if (news?.size === 0 && span.typing.lists.size === 0 && toDevice.texts.length === 0)
    return { news: false, json: replyJson(app, span, [[counts]], undefined) }
  const accountData = await readAccountData(app, request, span)
  const scope: Scope = { app, request, ...span, news, settings: accountData.settings }
  const chosen = await chooseRooms(scope, rooms)
  const parts = await roomParts(scope, chosen.present)
  const sections = new Map([
    ...roomsOf('join', parts.join),
    ...roomsOf('invite', strippedRooms(chosen.invited, 'invite_state')),
    ...roomsOf('knock', strippedRooms(chosen.knocked, 'knock_state')),
    ...roomsOf('leave', parts.leave),
    ...roomsOf('peek', parts.peek),
  ])
  const keys: string[][] = []
  if (accountData.texts.length > 0) keys.push([`"account_data":{"events":[${accountData.texts.join(',')}]}`])
  if (sections.size > 0) keys.push(['"rooms":', ...objectOf(sections)])
  const presence = await readPresence(scope, parts.membersChanged)
  if (presence.length > 0) keys.push([`"presence":{"events":[${presence.join(',')}]}`])
  if (toDevice.texts.length > 0) keys.push([`"to_device":{"events":[${toDevice.texts.join(',')}]}`])
  const deviceLists = await readDeviceLists(scope)
  if (deviceLists !== undefined) keys.push([`"device_lists":${deviceLists}`])
  const isNews = keys.length > 0 || hasNews(scope, null, 'one_time_keys')
  return { news: isNews, json: replyJson(app, span, [...keys, [counts]], toDevice.upTo) }
}

interface GlobalAccountData {
  readonly texts: readonly string[]
  readonly settings: Settings
}

async function readAccountData(app: App, request: SyncRequest, span: Span): Promise<GlobalAccountData> {
  const { userId } = request.viewer
  const since = request.fullState ? 0 : span.since
  const rows = await globalAccountDataSince(app.db, userId, since)
  const settings = settingsFrom(app, userId, rows)
  const shown = rows.filter((row) => row.position > since).map((row) => ({ type: row.type, content: row.content }))
  // Stored rules lack the default rules of today, and who never changed a rule has stored none.
  const others = shown.filter((row) => row.type !== 'm.push_rules')
  if (span.initial || request.fullState || shown.length > others.length)
    others.push({ type: 'm.push_rules', content: canonicalJson(pushRulesContent(settings.pushRules)) })
  return { texts: others.filter((row) => wants(request.filter.accountData, row.type)).map(accountDataText), settings }
}

function wants(filter: EventFilter, type: string): boolean {
  return eventFilterMatches(filter, { type })
}

function replyJson(app: App, span: Span, keys: readonly string[][], toDevice: number | undefined): LongText {
  const nextBatch = `"next_batch":${JSON.stringify(syncToken(app, span.to, span.typing.serial, toDevice))}`
  return new LongText(['{', nextBatch, ...keys.flatMap((key) => [',', ...key]), '}'])
}

/** One kind of rooms of the reply, in pieces; nothing when there is none. */
function roomsOf(name: string, rooms: ReadonlyMap<string, string>): [string, string[]][] {
  return rooms.size === 0 ? [] : [[name, objectOf(rooms)]]
}

/** A JSON object in pieces, from the texts of its values. */
function objectOf(values: ReadonlyMap<string, string | readonly string[]>): string[] {
  const pieces = [...values].flatMap(([key, value], index) => {
    const name = `${index === 0 ? '' : ','}${JSON.stringify(key)}:`
    return typeof value === 'string' ? name + value : [name, ...value]
  })
  return ['{', ...pieces, '}']
}

function strippedRooms(rooms: readonly RoomOfUser[], key: string): Map<string, string> {
  const states = rooms.map((room) => [room.room_id, `{"${key}":{"events":${room.stripped_state ?? '[]'}}}`] as const)
  return new Map(states)
}
