import type { TSchema } from '@sinclair/typebox'
import type { App } from '../../app.ts'
import { isHistoricalUserId, serverNameOf, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type UserRow, userById } from '../../store/users.ts'
import { type Endpoint, endpoint, type Requester } from '../endpoint.ts'

/** Errors: M_FORBIDDEN for who is no administrator, who learns nothing else. */
export function checkAdministrator(user: Requester): void {
  if (!user.admin) throw new MatrixError('M_FORBIDDEN', 'This is for administrators.')
}

/**
 * An endpoint for administrators alone. What they change is noted in the log, with who, whence and what; and what they
 * read, where it is `confidential`: what people said, or keep for themselves.
 */
export function adminEndpoint<
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
>({
  confidential = false,
  ...spec
}: Omit<Endpoint<'access-token', P, Q, B>, 'auth'> & { readonly confidential?: boolean }) {
  return endpoint<'access-token', P, Q, B>({
    ...spec,
    auth: 'access-token',
    async handle(app, request) {
      const { user, ip, params } = request
      checkAdministrator(user)
      const done = (outcome: string) => {
        if (spec.method === 'GET' && !confidential) return
        app.log.info(
          { admin: user.userId, ip, what: `${spec.method} ${spec.path}`, of: params, outcome },
          'administration',
        )
      }
      try {
        const answer = await spec.handle(app, request)
        done('done')
        return answer
      } catch (error) {
        done(error instanceof MatrixError ? error.errcode : 'failed')
        throw error
      }
    },
  })
}

/** Errors: M_INVALID_PARAM for what is no user of this server. */
export function localUserId(app: App, userId: string): UserId {
  if (isHistoricalUserId(userId) && serverNameOf(userId) === app.serverName) return userId
  throw new MatrixError('M_INVALID_PARAM', 'This is no user of this server.')
}

/** Errors: M_INVALID_PARAM, M_NOT_FOUND. */
export async function localUser(app: App, userId: string): Promise<UserRow & { readonly user_id: UserId }> {
  const user = await userById(app.db, localUserId(app, userId))
  if (user === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  return user as UserRow & { user_id: UserId }
}
