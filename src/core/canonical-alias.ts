import { isRoomAlias } from './ids.ts'
import { type JsonObject, type JsonValue, own } from './json.ts'
import { MatrixError } from './matrix-error.ts'

/** The alternative aliases of one room are shown to everybody in it. */
const MAX_ALT_ALIASES = 500

/**
 * The aliases that the content of an `m.room.canonical_alias` names, the main one first. Errors: M_INVALID_PARAM for
 * one that is no alias.
 */
export function aliasesIn(content: JsonObject): string[] {
  const main = own(content, 'alias')
  const alternatives = own(content, 'alt_aliases') ?? []
  const listed = Array.isArray(alternatives) ? (alternatives as readonly JsonValue[]) : [null]
  if (listed.length > MAX_ALT_ALIASES)
    throw new MatrixError('M_INVALID_PARAM', `A room names at most ${MAX_ALT_ALIASES} aliases.`)
  const named = main === undefined || main === null || main === '' ? listed : [main, ...listed]
  for (const alias of named) {
    if (typeof alias !== 'string' || !isRoomAlias(alias))
      throw new MatrixError('M_INVALID_PARAM', `${JSON.stringify(alias)} is not a room alias.`)
  }
  return named as string[]
}

/** The content without the alias; undefined when it does not name it. */
export function withoutAlias(content: JsonObject, alias: string): JsonObject | undefined {
  const { alias: main, alt_aliases: alternatives, ...rest } = content
  const listed = Array.isArray(alternatives) ? (alternatives as readonly JsonValue[]) : []
  const kept = listed.filter((other) => other !== alias)
  if (main !== alias && kept.length === listed.length) return undefined
  return {
    ...rest,
    ...(main === undefined || main === alias ? {} : { alias: main }),
    ...(kept.length === 0 ? {} : { alt_aliases: kept }),
  }
}
