import type { TSchema } from '@sinclair/typebox'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { isObject, type JsonValue, looseFault, parseJson, strictFault } from '../core/json.ts'
import { holdsMoreThan } from '../core/json-items.ts'
import { type Errcode, MatrixError } from '../core/matrix-error.ts'

/** Schemas compile when first used: compiling all at the start would take most of a second. */
const compilers = { bodies: new Ajv({ strict: false }), texts: new Ajv({ strict: false, coerceTypes: true }) }
const compiled = { bodies: new WeakMap<TSchema, ValidateFunction>(), texts: new WeakMap<TSchema, ValidateFunction>() }

/** Values in one body: it is read before its signature can be checked, and many small ones take long. */
const VALUES_MAX = 500_000

/**
 * The body as JSON, numbers and all as they stand there; undefined for an empty one. Errors: M_NOT_JSON, M_TOO_LARGE.
 */
export function readJson(bytes: unknown): JsonValue | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) return undefined
  if (holdsMoreThan(bytes, VALUES_MAX))
    throw new MatrixError('M_TOO_LARGE', `The body holds more than ${VALUES_MAX} values.`)
  return parseJson(bytes)
}

/**
 * The body as JSON of the schema's shape; with `anyNumber`, numbers need not be integers. Errors: M_NOT_JSON,
 * M_BAD_JSON, M_MISSING_PARAM.
 */
export function readBody(schema: TSchema, bytes: unknown, anyNumber = false): unknown {
  const value = readJson(bytes) ?? {}
  if (!isObject(value)) throw new MatrixError('M_BAD_JSON', 'The body is not a JSON object.')
  const fault = anyNumber ? looseFault(value) : strictFault(value)
  if (fault !== undefined) throw new MatrixError('M_BAD_JSON', fault)
  check('bodies', schema, value, 'M_BAD_JSON')
  return value
}

/**
 * Parameters of the path or the query, turned from text into what the schema says. Errors: M_INVALID_PARAM,
 * M_MISSING_PARAM.
 */
export function readTexts(schema: TSchema, values: unknown): unknown {
  const copy = { ...(values as Record<string, unknown>) }
  for (const [name, value] of Object.entries(copy)) {
    if (typeof value === 'string' && value.includes('\0'))
      throw new MatrixError('M_INVALID_PARAM', `${name} holds a NUL.`)
  }
  check('texts', schema, copy, 'M_INVALID_PARAM')
  return copy
}

function check(kind: 'bodies' | 'texts', schema: TSchema, value: unknown, errcode: Errcode): void {
  let validate = compiled[kind].get(schema)
  if (validate === undefined) {
    validate = compilers[kind].compile(schema)
    compiled[kind].set(schema, validate)
  }
  if (validate(value)) return
  const first: ErrorObject | undefined = validate.errors?.[0]
  if (first?.keyword === 'required')
    throw new MatrixError('M_MISSING_PARAM', `${first.instancePath} ${first.message}`.trim())
  throw new MatrixError(errcode, `${first?.instancePath ?? ''} ${first?.message ?? 'is not valid'}`.trim())
}
