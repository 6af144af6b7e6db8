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

/** Of a database's URI only the password is secret. */
function hide(value: string): string {
  if (value.startsWith('file:')) return value
  if (!URL.canParse(value)) return HIDDEN
  const url = new URL(value)
  if (!url.protocol.startsWith('postgres')) return HIDDEN
  return value.replace(/\/\/([^:@/]*):[^@/]*@/, `//$1:${HIDDEN}@`)
}
