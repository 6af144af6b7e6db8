import { type Static, type TProperties, type TSchema, Type } from '@sinclair/typebox'

/**
 * Our own keywords in the schema of the configuration. `unit`: written as text, a number once loaded. `secret`: never
 * printed, and `<key>_file` may name a file that holds it. `ignored`: accepted for the sake of old files, with why it
 * has no effect.
 */
export interface Keywords {
  readonly unit?: 'duration' | 'size'
  readonly secret?: boolean
  readonly ignored?: string
}

export function section<P extends TProperties>(description: string, properties: P) {
  return Type.Object(properties, { description, default: {} })
}

export function text(defaultValue: string, description: string, limits: { minLength?: number; pattern?: string } = {}) {
  return Type.String({ description, default: defaultValue, ...limits })
}

export function secret(defaultValue: string, description: string) {
  return Type.String({ description, default: defaultValue, secret: true })
}

export function flag(defaultValue: boolean, description: string) {
  return Type.Boolean({ description, default: defaultValue })
}

export function choice<const T extends readonly string[]>(values: T, defaultValue: T[number], description: string) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: values, description, default: defaultValue })
}

export function number(defaultValue: number, description: string, limits: { minimum?: number; maximum?: number } = {}) {
  return Type.Integer({ description, default: defaultValue, ...limits })
}

export function list<S extends TSchema>(items: S, defaultValue: Static<S>[], description: string) {
  return Type.Array(items, { description, default: defaultValue })
}

/** A Go duration (`168h0m0s`; a bare integer is nanoseconds, as there); milliseconds once loaded. */
export function duration(defaultValue: string, description: string) {
  return Type.Unsafe<number>({ type: ['string', 'integer'], description, default: defaultValue, unit: 'duration' })
}

/** Bytes, or text such as `64mb` (binary multiples); bytes once loaded. */
export function size(defaultValue: string, description: string) {
  return Type.Unsafe<number>({ type: ['string', 'integer'], description, default: defaultValue, unit: 'size' })
}

export function ignored(why: string) {
  return Type.Optional(Type.Unknown({ description: why, ignored: why }))
}
