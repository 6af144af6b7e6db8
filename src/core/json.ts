/** A number that JavaScript would change on the way through: kept as its source text (room versions 1 to 5 only). */
export interface RawNumber {
  readonly raw: string
}

export type JsonValue = null | boolean | number | string | RawNumber | readonly JsonValue[] | JsonObject

/** Keys may be anything a remote server sends (`__proto__` too): read with `own()`, never `object[key]`. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** The value under an own key, or undefined. The only safe way to read a key that another machine chose. */
export function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
