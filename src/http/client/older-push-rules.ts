import { Type } from '@sinclair/typebox'
import { MatrixError } from '../../core/matrix-error.ts'
import { pushRuleKind } from '../../core/push-rules-edit.ts'
import { pushRulesOf } from '../../views/settings.ts'
import { endpoint } from '../endpoint.ts'

const RULES = '/_matrix/client/v3/pushrules'

/** Of older versions of the specification: the rules of one kind. */
export const getPushRulesOfKind = endpoint({
  method: 'GET',
  path: `${RULES}/global/{kind}/`,
  aliases: ['r0'],
  auth: 'access-token',
  params: Type.Object({ kind: Type.String() }),
  handle: async (app, { user, params }) => (await pushRulesOf(app, user.userId))[pushRuleKind(params.kind)],
})

/**
 * Scopes, kinds and attributes were parameters once: who names one that there is not made a mistake in its value, and
 * hears so.
 */
export const FAULTY_PUSH_RULE_PATHS = [
  ['GET', '/{scope}'],
  ['GET', '/{scope}/'],
  ['GET', '/global/{kind}'],
  ['GET', '/global/{kind}/{ruleId}/{attribute}'],
  ['PUT', '/'],
  ['PUT', '/{scope}'],
  ['PUT', '/global/'],
  ['PUT', '/global/{kind}'],
  ['PUT', '/global/{kind}/'],
  ['PUT', '/global/{kind}/{ruleId}/{attribute}'],
  ['PUT', '/{scope}/{kind}/{ruleId}'],
].map(([method, path]) =>
  endpoint({
    method: method as 'GET' | 'PUT',
    path: RULES + path,
    aliases: ['r0'],
    auth: 'access-token',
    async handle() {
      throw new MatrixError('M_INVALID_PARAM', 'Push rules have the scope global, a kind and an id.')
    },
  }),
)
