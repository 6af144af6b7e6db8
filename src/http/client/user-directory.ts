import { Type } from '@sinclair/typebox'
import { limitOf } from '../../views/relations.ts'
import { searchUsers } from '../../views/user-directory.ts'
import { endpoint } from '../endpoint.ts'

const MAX_TERM_LENGTH = 512
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 50

/** Client-Server API, "User directory". */
export const searchUserDirectory = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user_directory/search',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  body: Type.Object({
    search_term: Type.String({ maxLength: MAX_TERM_LENGTH }),
    limit: Type.Optional(Type.Integer()),
  }),
  handle: (app, { user, body }) =>
    searchUsers(app, user.userId, body.search_term, limitOf(body.limit, DEFAULT_LIMIT, MAX_LIMIT)),
})
