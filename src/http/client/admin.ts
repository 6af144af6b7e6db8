import { Type } from '@sinclair/typebox'
import { moderateAccount, type Restriction } from '../../actions/accounts/moderate-account.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { UserRow } from '../../store/users.ts'
import { whois } from '../../views/whois.ts'
import { checkAdministrator, localUser } from '../admin/administrator.ts'
import { endpoint, type Requester } from '../endpoint.ts'

/** Client-Server API, "Server administration": the devices of a user, for the user and for administrators. */
export const getWhoIs = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/admin/whois/{userId}',
  aliases: ['r0', 'unstable'],
  auth: 'access-token',
  params: Type.Object({ userId: Type.String() }),
  async handle(app, { user, params }) {
    if (user.userId !== params.userId) checkAdministrator(user)
    return whois(app, params.userId)
  },
})

const UserParams = Type.Object({ userId: Type.String() })

/** Client-Server API, "Account moderation". */
export const getAdminLockUser = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/admin/lock/{userId}',
  auth: 'access-token',
  params: UserParams,
  handle: async (app, { user, params }) => ({ locked: (await moderated(app, user, params.userId)).locked === 1 }),
})

export const setAdminLockUser = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v1/admin/lock/{userId}',
  auth: 'access-token',
  params: UserParams,
  body: Type.Object({ locked: Type.Boolean() }),
  async handle(app, { user, params, body }) {
    await moderate(app, user, params.userId, 'locked', body.locked)
    return { locked: body.locked }
  },
})

export const getAdminSuspendUser = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/admin/suspend/{userId}',
  auth: 'access-token',
  params: UserParams,
  handle: async (app, { user, params }) => ({ suspended: (await moderated(app, user, params.userId)).suspended === 1 }),
})

export const setAdminSuspendUser = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v1/admin/suspend/{userId}',
  auth: 'access-token',
  params: UserParams,
  body: Type.Object({ suspended: Type.Boolean() }),
  async handle(app, { user, params, body }) {
    await moderate(app, user, params.userId, 'suspended', body.suspended)
    return { suspended: body.suspended }
  },
})

async function moderate(app: App, admin: Requester, userId: string, restriction: Restriction, on: boolean) {
  const target = await moderated(app, admin, userId)
  if (target.user_id === admin.userId) throw new MatrixError('M_FORBIDDEN', 'Nobody does this to themselves.')
  await moderateAccount(app, target.user_id, restriction, on)
}

/**
 * The account that an administrator moderates. Who is none learns nothing of accounts. Errors: M_FORBIDDEN, also for
 * another administrator; M_INVALID_PARAM, M_NOT_FOUND.
 */
async function moderated(app: App, admin: Requester, userId: string): Promise<UserRow> {
  checkAdministrator(admin)
  const target = await localUser(app, userId)
  if (target.deactivated === 1) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  if (target.kind === 'admin' && userId !== admin.userId) {
    throw new MatrixError('M_FORBIDDEN', 'Administrators are not moderated here.')
  }
  return target
}
