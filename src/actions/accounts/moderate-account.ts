import type { App } from '../../app.ts'
import { setUserFlag } from '../../store/users.ts'
import { write } from '../write.ts'

export type Restriction = 'locked' | 'suspended'

/** Locks or suspends a local account, or lifts that again. Its sessions stay; its open long polls hear of it. */
export async function moderateAccount(app: App, userId: string, restriction: Restriction, on: boolean): Promise<void> {
  await write(app, {
    guards: [],
    writes: [setUserFlag(userId, restriction, on)],
    log: [{ kind: 'user', user: userId }],
  })
}
