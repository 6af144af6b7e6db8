import { readFileSync } from 'node:fs'
import type { AnyEndpoint } from '../../src/http/endpoint.ts'
import type { Chance } from './random.ts'
import { anyJson, encoded, hostileJson, hostileString, type JsonText } from './values.ts'

/** A JSON schema, as far as values are made from it. */
export interface Shape {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Shape[]
  readonly oneOf?: readonly Shape[]
  readonly allOf?: readonly Shape[]
  readonly properties?: Readonly<Record<string, Shape>>
  readonly patternProperties?: Readonly<Record<string, Shape>>
  readonly additionalProperties?: Shape | boolean
  readonly items?: Shape
}

/** What a request to an endpoint looks like: from the specification's schemas where they are at hand, and our own. */
export interface RequestShape {
  readonly query: Readonly<Record<string, Shape>>
  readonly body: Shape | undefined
}

interface SpecShapes {
  readonly endpoints: Readonly<
    Record<string, { query?: Record<string, { schema: Shape }>; body?: Shape | null } | undefined>
  >
  readonly $defs: Readonly<Record<string, Shape>>
}

const file = process.env.MATRIX_SCHEMAS
const SPEC: SpecShapes = file === undefined ? { endpoints: {}, $defs: {} } : JSON.parse(readFileSync(file, 'utf8'))

export function shapeOf(endpoint: AnyEndpoint): RequestShape {
  const { method, path, query, body } = endpoint as unknown as {
    method: string
    path: string
    query?: Shape
    body?: Shape
  }
  const known = SPEC.endpoints[`${method} ${path}`]
  const named = Object.entries(known?.query ?? {}).map(([name, { schema }]): [string, Shape] => [name, schema])
  return { query: { ...query?.properties, ...Object.fromEntries(named) }, body: known?.body ?? body }
}

const DEPTH_MAX = 5

/** JSON that has the shape, but for a place here and there. `texts` are those that mean something here, by name. */
export function jsonOf(chance: Chance, shape: Shape | undefined, texts: Texts, name = '', depth = 0): JsonText {
  if (shape === undefined || depth > DEPTH_MAX) return anyJson(chance, depth)
  if (chance.happens(chance.hostility)) return hostileJson(chance)
  if (shape.$ref !== undefined) return jsonOf(chance, SPEC.$defs[shape.$ref.split('/').at(-1)!], texts, name, depth + 1)
  const choices = shape.anyOf ?? shape.oneOf
  if (choices !== undefined) return jsonOf(chance, chance.pick(choices), texts, name, depth + 1)
  if (shape.allOf !== undefined) return jsonOf(chance, mergedShape(shape), texts, name, depth)
  if (shape.const !== undefined) return JSON.stringify(shape.const)
  if (shape.enum !== undefined) return JSON.stringify(chance.pick(shape.enum))
  const type = typeof shape.type === 'string' ? shape.type : shape.type?.[0]
  if (type === 'object' || shape.properties !== undefined) return objectOf(chance, shape, texts, depth)
  if (type === 'array') {
    const items = Array.from({ length: chance.below(4) }, () => jsonOf(chance, shape.items, texts, name, depth + 1))
    return `[${items.join(',')}]`
  }
  if (type === 'string') return JSON.stringify(textFor(chance, texts, name))
  if (type === 'integer' || type === 'number') return String(chance.below(50))
  return type === 'boolean' ? String(chance.happens(0.5)) : anyJson(chance, depth)
}

function mergedShape({ allOf = [], ...rest }: Shape): Shape {
  const parts = allOf.map((part) => (part.$ref === undefined ? part : (SPEC.$defs[part.$ref.split('/').at(-1)!] ?? {})))
  return {
    ...rest,
    type: 'object',
    properties: Object.assign({}, rest.properties, ...parts.map((part) => part.properties)),
  }
}

function objectOf(chance: Chance, shape: Shape, texts: Texts, depth: number): JsonText {
  const parts = Object.entries(shape.properties ?? {})
    .filter(() => chance.happens(0.8))
    .map(([key, value]) => [key, jsonOf(chance, value, texts, key, depth + 1)] as const)
  const others = [...Object.values(shape.patternProperties ?? {})]
  if (typeof shape.additionalProperties === 'object') others.push(shape.additionalProperties)
  for (const other of others) {
    for (let n = chance.below(3); n > 0; n--)
      parts.push([textFor(chance, texts, 'key'), jsonOf(chance, other, texts, '', depth + 1)])
  }
  if (chance.happens(0.1)) parts.push([hostileString(chance).slice(0, 300), anyJson(chance, depth + 1)])
  return `{${parts.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`
}

/** Texts that stand for something in the scene, by the name of the parameter or key that holds one. */
export type Texts = ReadonlyMap<string, readonly string[]>

export function textFor(chance: Chance, texts: Texts, name: string): string {
  if (chance.happens(chance.hostility)) return hostileString(chance)
  const known = texts.get(name) ?? texts.get('key')!
  return chance.pick(known)
}

/** The query of a request, with its question mark. */
export function queryOf(chance: Chance, shapes: RequestShape['query'], texts: Texts): string {
  const parts = Object.entries(shapes)
    .filter(() => chance.happens(0.6))
    .map(([name, shape]) => {
      const json = jsonOf(chance, shape, texts, name)
      return `${encoded(name)}=${encoded(json.replace(/^"(.*)"$/, '$1').slice(0, 4_000))}`
    })
  if (chance.happens(0.1))
    parts.push(chance.pick(['%', '=', '&&', 'a=%ff', 'access_token=x', 'user_id=@a:b', 'limit=1&limit=2']))
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}
