import type { App } from '../app.ts'
import { blocksInvites } from '../core/invite-permission.ts'
import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import { type PushRuleset, rulesetFrom } from '../core/push-rules.ts'
import { accountData } from '../store/account-data.ts'

/** Global account data that the server itself heeds. */
export interface Settings {
  readonly ignored: ReadonlySet<string>
  /** Nobody may invite the user: what comes all the same is not shown. */
  readonly blocksInvites: boolean
  readonly pushRules: PushRuleset
  /** When the push rules were changed last. */
  readonly pushRulesPosition: number
}

type Configured = Pick<App, 'config'>

interface Stored {
  readonly type: string
  readonly content: string
  readonly position: number
}

/** From the rows of the types that it reads, whatever a client has stored there. */
export function settingsFrom(app: Configured, userId: string, rows: readonly Stored[]): Settings {
  const pushRules = rows.find((row) => row.type === 'm.push_rules')
  const ignored = rows.find((row) => row.type === 'm.ignored_user_list')
  return {
    ignored: ignoredUsers(objectIn(ignored?.content)),
    blocksInvites: blocksInvites(objectIn(rows.find((row) => row.type === 'm.invite_permission_config')?.content)),
    pushRules: parsePushRules(app, userId, pushRules?.content),
    pushRulesPosition: pushRules?.position ?? 0,
  }
}

export async function pushRulesOf(app: Pick<App, 'db' | 'config'>, userId: string): Promise<PushRuleset> {
  const { content } = await accountData(app.db, userId, '', 'm.push_rules')
  return parsePushRules(app, userId, content)
}

/** The rules out of the text of `m.push_rules`, whatever it holds. */
export function parsePushRules(app: Configured, userId: string, text: string | undefined): PushRuleset {
  return rulesetFrom(userId, objectIn(text), app.config.user_api.legacy_mentions)
}

/** Whether clients are shown an invite (Client-Server API, "Invite permission" and "Ignoring users"). */
export function showsInvite(settings: Settings, inviter: string): boolean {
  return !settings.blocksInvites && !settings.ignored.has(inviter)
}

function objectIn(text: string | undefined): JsonObject | undefined {
  const value = text === undefined ? undefined : parseJson(text)
  return value !== undefined && isObject(value) ? value : undefined
}

function ignoredUsers(content: JsonObject | undefined): ReadonlySet<string> {
  const users = content === undefined ? undefined : own(content, 'ignored_users')
  return new Set(users !== undefined && isObject(users) ? Object.keys(users) : [])
}

/** Users from whom the user wants to hear nothing. */
export async function ignoredBy(app: Pick<App, 'db'>, userId: string): Promise<ReadonlySet<string>> {
  const { content } = await accountData(app.db, userId, '', 'm.ignored_user_list')
  return ignoredUsers(objectIn(content))
}
