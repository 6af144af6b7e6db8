import { Document, isMap, isNode, isScalar, isSeq } from 'yaml'
import { type Config, ConfigSchema } from './schema.ts'
import { formatDuration } from './units.ts'
import { type SchemaNode, walkKeys } from './walk.ts'

const HIDDEN = '[hidden]'

/** The configuration as it would be written in a file. Secrets are hidden unless asked for. */
export function toPlainConfig(config: Config, options: { secrets: boolean }): Record<string, unknown> {
  const plain = structuredClone(config) as Record<string, unknown>
  walkKeys(plain, ConfigSchema as SchemaNode, (key, at, schema) => {
    const value = at[key]
    if (schema?.unit === 'duration') at[key] = formatDuration(Number(value))
    if (schema?.secret && value !== '' && !options.secrets) at[key] = hide(String(value))
  })
  return plain
}

/** The same as YAML, with a comment at each key that says where its value comes from. */
export function annotatedYaml(plain: Record<string, unknown>, originOf: (path: readonly string[]) => string): string {
  const document = new Document(plain)
  const note = (map: unknown, path: readonly string[]): void => {
    if (!isMap(map)) return
    for (const { key, value } of map.items) {
      const here = [...path, String(isScalar(key) ? key.value : key)]
      if (isMap(value) && value.items.length > 0) note(value, here)
      else if (isSeq(value) && value.items.length > 0 && isScalar(key)) key.commentBefore = ` ${originOf(here)}`
      else if (isNode(value)) value.comment = ` ${originOf(here)}`
    }
  }
  note(document.contents, [])
  return document.toString({ lineWidth: 0 })
}

/** Of a database's URI only the password is secret. */
function hide(value: string): string {
  if (value.startsWith('file:')) return value
  if (!URL.canParse(value)) return HIDDEN
  const url = new URL(value)
  if (!url.protocol.startsWith('postgres')) return HIDDEN
  return value.replace(/\/\/([^:@/]*):[^@/]*@/, `//$1:${HIDDEN}@`)
}
