import type { Database } from '../db/database.ts'
import { insertServerName, serverNameIsUnset, storedServerName } from '../store/meta.ts'
import { write } from './write.ts'

/** The database belongs to another server name. Exit code 78. */
export class WrongServerName extends Error {
  override readonly name = 'WrongServerName'
}

/** The first to open a database gives it its server name; another is refused. Errors: WrongServerName. */
export async function claimDatabase(db: Database, serverName: string): Promise<void> {
  const owner = (await storedServerName(db)) ?? (await claim(db, serverName))
  if (owner !== undefined) checkOwner(owner, serverName)
}

/** Errors: WrongServerName. */
export function checkOwner(owner: string, serverName: string): void {
  if (owner === serverName) return
  throw new WrongServerName(`The database belongs to ${owner}, the configuration says ${serverName}.`)
}

async function claim(db: Database, serverName: string): Promise<string | undefined> {
  await write({ db }, { guards: [serverNameIsUnset()], writes: [insertServerName(serverName)], log: [] })
  return storedServerName(db)
}
