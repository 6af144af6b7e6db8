import type { App } from '../../app.ts'
import { localpartOf } from '../../core/ids.ts'
import { usersThatExist } from '../../store/users.ts'
import { createAccount } from '../accounts/create-account.ts'

/** Makes the users in whose names application services speak, which need not register them. */
export async function admitSenders(app: App): Promise<void> {
  const { all } = app.appservices
  if (all.length === 0) return
  const known = await usersThatExist(
    app.db,
    all.map(({ senderId }) => senderId),
  )
  for (const appservice of all.filter(({ senderId }) => !known.has(senderId))) {
    const wish = { localpart: localpartOf(appservice.senderId), password: undefined, admin: false, appservice }
    await createAccount(app, wish).catch(async (error) => {
      // Another process of the same start may have been faster.
      if ((await usersThatExist(app.db, [appservice.senderId])).size === 0) throw error
    })
  }
}
