import type { App } from '../../app.ts'
import { parseFilter } from '../../core/filter.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { filterIdOf, insertFilter } from '../../store/filters.ts'
import { write } from '../write.ts'

/** Stores a filter and returns its id; an equal one keeps the id it has. Errors: those of `parseFilter`. */
export async function storeFilter(app: App, userId: string, filter: JsonObject): Promise<number> {
  parseFilter(filter)
  const definition = canonicalJson(filter)
  const known = await filterIdOf(app.db, userId, definition)
  if (known !== undefined) return known
  const filterId = await app.db.nextId('filter')
  await write(app, { guards: [], writes: [insertFilter(userId, filterId, definition)], log: [] })
  return filterId
}
