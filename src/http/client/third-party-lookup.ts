import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { MatrixError } from '../../core/matrix-error.ts'
import { type Fields, lookUp, lookUpBack, protocol, protocols } from '../../views/third-party.ts'
import { DEVICE_PARAMETERS } from '../authenticate-appservice.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { text } from '../texts.ts'

const ID_LENGTH_MAX = 255
const FIELDS_MAX = 20
const FIELD_LENGTH_MAX = 1_000
const Protocol = Type.Object({ protocol: text(ID_LENGTH_MAX) })

/** Client-Server API, "Third-party networks". */
export const getProtocols = endpoint({
  ...asking('/protocols'),
  handle: (app) => protocols(app),
})

export const getProtocolMetadata = endpoint({
  ...asking('/protocol/{protocol}'),
  params: Protocol,
  handle: (app, { params }) => protocol(app, params.protocol),
})

export const queryLocationByProtocol = endpoint({
  ...asking('/location/{protocol}'),
  params: Protocol,
  handle: (app, { user, params, raw }) => lookUp(app, 'location', params.protocol, fieldsOf(user, raw)),
})

export const queryUserByProtocol = endpoint({
  ...asking('/user/{protocol}'),
  params: Protocol,
  handle: (app, { user, params, raw }) => lookUp(app, 'user', params.protocol, fieldsOf(user, raw)),
})

export const queryLocationByAlias = endpoint({
  ...asking('/location'),
  query: Type.Object({ alias: text(ID_LENGTH_MAX) }),
  handle: (app, { query }) => lookUpBack(app, 'location', query.alias),
})

export const queryUserByID = endpoint({
  ...asking('/user'),
  query: Type.Object({ userid: text(ID_LENGTH_MAX) }),
  handle: (app, { query }) => lookUpBack(app, 'user', query.userid),
})

function asking(path: string) {
  const auth = 'access-token' as const
  const rateLimit = 'other' as const
  return { method: 'GET' as const, path: `/_matrix/client/v3/thirdparty${path}`, aliases: ['r0'], auth, rateLimit }
}

/** Whatever stands in the query, but for what says who asks. Errors: M_INVALID_PARAM. */
function fieldsOf({ appservice }: Requester, { query }: FastifyRequest): Fields {
  const ours = new Set(['access_token', ...(appservice === undefined ? [] : ['user_id', ...DEVICE_PARAMETERS])])
  const fields = Object.entries(query as Record<string, unknown>).filter(([name]) => !ours.has(name))
  const good = (value: unknown) => typeof value === 'string' && value.length <= FIELD_LENGTH_MAX
  if (fields.length > FIELDS_MAX || !fields.every(([name, value]) => good(name) && good(value)))
    throw new MatrixError('M_INVALID_PARAM', `A query has at most ${FIELDS_MAX} fields, each once.`)
  return Object.fromEntries(fields) as Fields
}
