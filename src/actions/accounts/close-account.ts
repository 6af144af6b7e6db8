import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { threepidsOf } from '../../store/threepids.ts'
import { unbindAll } from './bind-threepid.ts'
import { deactivate } from './deactivate.ts'
import { evacuateUser } from './evacuate-user.ts'

/** Closes an account for ever and leaves its rooms; whether identity servers forgot its addresses, too. */
export async function closeAccount(app: App, userId: UserId, erase: boolean, idServer?: string): Promise<boolean> {
  const addresses = await threepidsOf(app.db, userId)
  await deactivate(app, userId, erase)
  await evacuateUser(app, { userId }, () => undefined)
  return unbindAll(app, userId, addresses, idServer)
}
