import type { Keywords } from './schema-types.ts'

/** The parts of JSON Schema that the configuration's schema is made of. */
export interface SchemaNode extends Keywords {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
}

export function childSchema(node: SchemaNode, key: string): SchemaNode | undefined {
  return node.properties !== undefined && Object.hasOwn(node.properties, key) ? node.properties[key] : undefined
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A copy of `value` in which the key at `path` is `leaf`; objects are made on the way. */
export function withOwn(value: unknown, path: readonly string[], leaf: unknown): unknown {
  const [head, ...rest] = path
  if (head === undefined) return leaf
  const object = isObject(value) ? value : {}
  const inner = Object.hasOwn(object, head) ? object[head] : undefined
  return { ...object, [head]: withOwn(inner, rest, leaf) }
}

/** Calls back for every key that stands in `value`, with the schema of it if the schema knows it. Parents first. */
export function walkKeys(
  value: unknown,
  schema: SchemaNode,
  visit: (key: string, at: Record<string, unknown>, schema: SchemaNode | undefined, path: readonly string[]) => void,
  path: readonly string[] = [],
): void {
  if (Array.isArray(value)) {
    if (schema.items === undefined) return
    for (const [index, item] of value.entries()) walkKeys(item, schema.items, visit, [...path, String(index)])
    return
  }
  if (!isObject(value) || schema.properties === undefined) return
  for (const key of Object.keys(value)) {
    const known = childSchema(schema, key)
    visit(key, value, known, [...path, key])
    if (known !== undefined) walkKeys(value[key], known, visit, [...path, key])
  }
}
