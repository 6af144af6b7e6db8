/**
 * A number that JavaScript would change on the way through, kept as its source text (room versions 1 to 5 only).
 * Made by `rawNumber` and known by `isRawNumber`: an object `{"raw": "1"}` that a remote server sends is none.
 */
export interface RawNumber {
  readonly raw: string
}

const RAW_NUMBER: object = Object.freeze(Object.create(null) as object)

export function isRawNumber(value: unknown): value is RawNumber {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === RAW_NUMBER
}

/** The text must be a number of JSON. */
export function rawNumber(raw: string): RawNumber {
  return Object.freeze(Object.assign(Object.create(RAW_NUMBER) as object, { raw }))
}
