import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { ConfigSchema } from './schema.ts'
import { childSchema, type SchemaNode, withOwn } from './walk.ts'

const PREFIX = 'DENDRITE_'
const SEPARATOR = '__'

/**
 * The values with those of the environment laid over: `DENDRITE_GLOBAL__SERVER_NAME` sets `global.server_name`;
 * with `_FILE` behind it, the variable names a file that holds the value. Lists are separated by commas or written in
 * YAML. `names` tells which variable a key came from.
 */
export function overlayEnvironment(
  value: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): { value: unknown; faults: string[]; names: Map<string, string> } {
  const faults: string[] = []
  const names = new Map<string, string>()
  let result = value
  for (const [name, given] of Object.entries(environment)) {
    if (given === undefined || !name.startsWith(PREFIX) || !name.includes(SEPARATOR)) continue
    const path = name.slice(PREFIX.length).toLowerCase().split(SEPARATOR)
    const target = findTarget(path)
    if (target === undefined) {
      faults.push(`${name} names no key of the configuration`)
      continue
    }
    try {
      const text = target.fromFile ? readFileSync(given, 'utf8').trimEnd() : given
      result = withOwn(result, target.path, readValue(text, target.schema))
      names.set(target.path.join('.'), name)
    } catch (error) {
      faults.push(`${name} cannot be read: ${(error as Error).message}`)
    }
  }
  return { value: result, faults, names }
}

function findTarget(path: string[]): { path: string[]; schema: SchemaNode; fromFile: boolean } | undefined {
  const schema = schemaAt(path)
  if (schema !== undefined) return { path, schema, fromFile: false }
  const last = path.at(-1) ?? ''
  if (!last.endsWith('_file')) return undefined
  const without = [...path.slice(0, -1), last.slice(0, -'_file'.length)]
  const target = schemaAt(without)
  return target === undefined ? undefined : { path: without, schema: target, fromFile: true }
}

function schemaAt(path: readonly string[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = ConfigSchema as SchemaNode
  for (const step of path) node = node === undefined ? undefined : childSchema(node, step)
  return node
}

function readValue(text: string, schema: SchemaNode): unknown {
  if (schema.type === 'string') return text
  const value: unknown = parse(text, { version: '1.1' })
  if (schema.type !== 'array' || Array.isArray(value)) return value
  return text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
}
