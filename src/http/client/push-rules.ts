import { Type } from '@sinclair/typebox'
import { editAccountData } from '../../actions/accounts/set-account-data.ts'
import type { App } from '../../app.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import { type PushAction, type PushRuleset, pushRulesContent } from '../../core/push-rules.ts'
import {
  findPushRule,
  newPushRule,
  pushRuleKind,
  putPushRule,
  deletePushRule as remove,
  setPushRuleActions as withActions,
  setPushRuleEnabled as withEnabled,
} from '../../core/push-rules-edit.ts'
import { parsePushRules, pushRulesOf } from '../../views/settings.ts'
import { endpoint } from '../endpoint.ts'

const RULE = '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}'
const RuleParams = Type.Object({ kind: Type.String(), ruleId: Type.String() })

/** Client-Server API, "Push rules: API". */
export const getPushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/',
  aliases: ['r0'],
  auth: 'access-token',
  handle: async (app, { user }) => pushRulesContent(await pushRulesOf(app, user.userId)),
})

export const getPushRulesGlobal = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/',
  aliases: ['r0'],
  auth: 'access-token',
  handle: (app, { user }) => pushRulesOf(app, user.userId),
})

export const getPushRule = endpoint({
  method: 'GET',
  path: RULE,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  handle: async (app, { user, params }) =>
    findPushRule(await pushRulesOf(app, user.userId), pushRuleKind(params.kind), params.ruleId),
})

export const setPushRule = endpoint({
  method: 'PUT',
  path: RULE,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  query: Type.Object({ before: Type.Optional(Type.String()), after: Type.Optional(Type.String()) }),
  body: Type.Record(Type.String(), Type.Unknown()),
  async handle(app, { user, params, query, body }) {
    const kind = pushRuleKind(params.kind)
    const rule = newPushRule(kind, params.ruleId, body as JsonObject)
    await edit(app, user.userId, (rules) => putPushRule(rules, kind, rule, query))
    return {}
  },
})

export const deletePushRule = endpoint({
  method: 'DELETE',
  path: RULE,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  async handle(app, { user, params }) {
    await edit(app, user.userId, (rules) => remove(rules, pushRuleKind(params.kind), params.ruleId))
    return {}
  },
})

export const isPushRuleEnabled = endpoint({
  method: 'GET',
  path: `${RULE}/enabled`,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  async handle(app, { user, params }) {
    const rule = findPushRule(await pushRulesOf(app, user.userId), pushRuleKind(params.kind), params.ruleId)
    return { enabled: rule.enabled }
  },
})

export const setPushRuleEnabled = endpoint({
  method: 'PUT',
  path: `${RULE}/enabled`,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  body: Type.Object({ enabled: Type.Boolean() }),
  async handle(app, { user, params, body }) {
    const kind = pushRuleKind(params.kind)
    await edit(app, user.userId, (rules) => withEnabled(rules, kind, params.ruleId, body.enabled))
    return {}
  },
})

export const getPushRuleActions = endpoint({
  method: 'GET',
  path: `${RULE}/actions`,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  async handle(app, { user, params }) {
    const rule = findPushRule(await pushRulesOf(app, user.userId), pushRuleKind(params.kind), params.ruleId)
    return { actions: rule.actions }
  },
})

export const setPushRuleActions = endpoint({
  method: 'PUT',
  path: `${RULE}/actions`,
  aliases: ['r0'],
  auth: 'access-token',
  params: RuleParams,
  body: Type.Object({ actions: Type.Array(Type.Unknown()) }),
  async handle(app, { user, params, body }) {
    const kind = pushRuleKind(params.kind)
    const actions = body.actions as readonly JsonValue[] as readonly PushAction[]
    await edit(app, user.userId, (rules) => withActions(rules, kind, params.ruleId, actions as never))
    return {}
  },
})

async function edit(app: App, userId: string, change: (rules: PushRuleset) => PushRuleset): Promise<void> {
  const place = { roomId: '', type: 'm.push_rules' }
  await editAccountData(app, userId, place, (before) => pushRulesContent(change(parsePushRules(app, userId, before))))
}
