import { type Static, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'

/**
 * An object whose keys are any text. `Type.Record` describes its keys by a pattern that passes over line ends, and what
 * stands under such a key would go unchecked.
 */
export function mapOf<T extends TSchema>(value: T): TUnsafe<Record<string, Static<T>>> {
  return Type.Unsafe({ type: 'object', additionalProperties: value })
}
