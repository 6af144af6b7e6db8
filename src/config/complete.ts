import { Ajv, type ErrorObject } from 'ajv'
import { ROOM_VERSIONS } from '../core/room-version.ts'
import type { Fault } from './fault.ts'
import { loginFaults } from './login-faults.ts'
import { type Config, ConfigSchema } from './schema.ts'
import { parseDuration, parseSize } from './units.ts'
import { childSchema, isObject, type SchemaNode, walkKeys } from './walk.ts'

interface Completed {
  /** Only good when there are no faults. */
  readonly config: Config
  readonly faults: Fault[]
  /** Keys that are none. */
  readonly unknown: Fault[]
  /** Keys of the Go Dendrite that have no effect here. */
  readonly ignored: Fault[]
}

/**
 * Checks `value` against the schema and fills in what is missing. `readFile` reads the file that a `<secret>_file` key
 * names.
 */
export function complete(value: unknown, readFile: (path: string) => string): Completed {
  const faults: Fault[] = []
  const root = dropNulls(value)
  if (!isObject(root)) {
    const fault = { path: [], message: 'the configuration must be a mapping' }
    return { config: {} as Config, faults: [fault], unknown: [], ignored: [] }
  }
  if (root.version === undefined) faults.push({ path: ['version'], message: 'is missing: write `version: 2`' })
  readSecrets(root, readFile, faults)
  adoptComponentDatabase(root, faults)
  const withoutEffect = keysWithoutEffect(root)
  validate(root, faults)
  convertUnits(root, faults)
  checkMeaning(root, faults)
  return { config: root as Config, faults, ...withoutEffect }
}

/** A key without a value counts as absent, as in the Go Dendrite. */
function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropNulls)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (inner === null ? [] : [[key, dropNulls(inner)]])),
  )
}

function readSecrets(root: Record<string, unknown>, readFile: (path: string) => string, faults: Fault[]): void {
  const found: { key: string; at: Record<string, unknown>; path: readonly string[] }[] = []
  walkKeys(root, ConfigSchema as SchemaNode, (key, at, known, path) => {
    if (known === undefined && key.endsWith('_file')) found.push({ key, at, path })
  })
  for (const { key, at, path } of found) {
    const target = key.slice(0, -'_file'.length)
    let parent: SchemaNode | undefined = ConfigSchema as SchemaNode
    for (const step of path.slice(0, -1)) parent = parent === undefined ? undefined : childSchema(parent, step)
    if (parent === undefined || childSchema(parent, target)?.secret !== true) continue
    const file = String(at[key])
    delete at[key]
    try {
      at[target] = readFile(file).trimEnd()
    } catch (error) {
      faults.push({ path, message: `names a file that cannot be read: ${(error as NodeJS.ErrnoException).code}` })
    }
  }
}

const COMPONENT_DATABASES = [
  ['app_service_api', 'database'],
  ['federation_api', 'database'],
  ['key_server', 'database'],
  ['media_api', 'database'],
  ['mscs', 'database'],
  ['relay_api', 'database'],
  ['room_server', 'database'],
  ['sync_api', 'database'],
  ['user_api', 'account_database'],
  ['user_api', 'device_database'],
] as const

/** A file of the Go Dendrite may name a database for each component; we have one, so it must be the same everywhere. */
function adoptComponentDatabase(root: Record<string, unknown>, faults: Fault[]): void {
  if (connectionString(root, 'global', 'database') !== undefined) return
  const named = COMPONENT_DATABASES.map(([component, key]) => connectionString(root, component, key))
  const distinct = [...new Set(named.filter((one) => one !== undefined))]
  if (distinct.length === 0) return
  if (distinct.length > 1) {
    const message = 'is missing, and the components name different databases; this server keeps everything in one'
    faults.push({ path: ['global', 'database', 'connection_string'], message })
    return
  }
  const global = isObject(root.global) ? root.global : {}
  root.global = {
    ...global,
    database: { ...(isObject(global.database) ? global.database : {}), connection_string: distinct[0] },
  }
}

function connectionString(root: Record<string, unknown>, component: string, key: string): string | undefined {
  const section = root[component]
  const database = isObject(section) ? section[key] : undefined
  const found = isObject(database) ? database.connection_string : undefined
  return typeof found === 'string' && found !== '' ? found : undefined
}

function keysWithoutEffect(root: Record<string, unknown>): Pick<Completed, 'unknown' | 'ignored'> {
  const [unknown, ignored]: [Fault[], Fault[]] = [[], []]
  walkKeys(root, ConfigSchema as SchemaNode, (_key, _at, known, path) => {
    if (known === undefined) unknown.push({ path, message: 'is unknown and has no effect' })
    else if (known.ignored !== undefined) ignored.push({ path, message: `has no effect. ${known.ignored}` })
  })
  return { unknown, ignored }
}

function validate(root: Record<string, unknown>, faults: Fault[]): void {
  const ajv = new Ajv({ allErrors: true, useDefaults: true, coerceTypes: true, strict: false })
  const check = ajv.compile<Config>(ConfigSchema)
  if (!check(root)) faults.push(...(check.errors ?? []).map(toFault))
}

function toFault(error: ErrorObject): Fault {
  const path = error.instancePath.split('/').slice(1)
  if (error.keyword === 'required') {
    return { path: [...path, String(error.params.missingProperty)], message: 'is missing' }
  }
  if (error.keyword === 'enum') {
    return { path, message: `must be one of ${(error.params.allowedValues as string[]).join(', ')}` }
  }
  return { path, message: error.message ?? 'is wrong' }
}

function convertUnits(root: Record<string, unknown>, faults: Fault[]): void {
  walkKeys(root, ConfigSchema as SchemaNode, (key, at, known, path) => {
    if (known?.unit === undefined) return
    const given = at[key]
    if (typeof given !== 'string' && typeof given !== 'number') return
    const converted = known.unit === 'duration' ? parseDuration(given === '' ? 0 : given) : parseSize(given)
    if (converted !== undefined) at[key] = converted
    else faults.push({ path, message: `must be a ${known.unit} such as ${String(known.default)}` })
  })
}

const SERVER_NAME = /^(?:[0-9A-Za-z.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

function checkMeaning(root: Record<string, unknown>, faults: Fault[]): void {
  const serverName = textAt(root, 'global', 'server_name')
  if (serverName !== undefined && !SERVER_NAME.test(serverName)) {
    faults.push({ path: ['global', 'server_name'], message: 'must be a host name, with a port if need be' })
  }
  const version = textAt(root, 'room_server', 'default_room_version')
  if (version !== undefined && !ROOM_VERSIONS.has(version)) {
    const message = `must be one of ${[...ROOM_VERSIONS.keys()].join(', ')}`
    faults.push({ path: ['room_server', 'default_room_version'], message })
  }
  const database = connectionString(root, 'global', 'database')
  if (database !== undefined && !/^(file:|postgres(ql)?:\/\/)/.test(database)) {
    const message = 'must be file:NAME for SQLite or a postgres:// URI'
    faults.push({ path: ['global', 'database', 'connection_string'], message })
  }
  faults.push(...loginFaults(root))
  if (((textAt(root, 'http', 'tls_cert') ?? '') === '') !== ((textAt(root, 'http', 'tls_key') ?? '') === '')) {
    faults.push({ path: ['http', 'tls_cert'], message: 'and http.tls_key go together' })
  }
  checkCaptcha(root.client_api, faults)
  checkEmail(root.client_api, faults)
  checkS3(root.media_api, faults)
}

function checkCaptcha(clientApi: unknown, faults: Fault[]): void {
  if (!isObject(clientApi) || clientApi.enable_registration_captcha !== true) return
  for (const key of ['recaptcha_public_key', 'recaptcha_private_key']) {
    if (clientApi[key] === '') faults.push({ path: ['client_api', key], message: 'is needed for the captcha' })
  }
  const url = clientApi.recaptcha_siteverify_api
  if (typeof url === 'string' && url !== '' && !URL.canParse(url)) {
    faults.push({ path: ['client_api', 'recaptcha_siteverify_api'], message: 'must be a URL' })
  }
}

function checkEmail(clientApi: unknown, faults: Fault[]): void {
  const email = isObject(clientApi) && isObject(clientApi.email) ? clientApi.email : {}
  const path = ['client_api', 'email']
  const off = email.smtp_host === ''
  if (!off && email.from === '') faults.push({ path: [...path, 'from'], message: 'is needed to send mail' })
  if (off && email.required_to_register === true)
    faults.push({ path: [...path, 'smtp_host'], message: 'is needed when registering takes an e-mail address' })
}

/** What S3 takes in one request. */
export const S3_FILE_BYTES_MAX = 5 * 2 ** 30

function checkS3(mediaApi: unknown, faults: Fault[]): void {
  const s3 = isObject(mediaApi) && isObject(mediaApi.s3) ? mediaApi.s3 : {}
  if (s3.endpoint === '') return
  for (const key of ['bucket', 'access_key_id', 'secret_access_key']) {
    if (s3[key] === '') faults.push({ path: ['media_api', 's3', key], message: 'is needed for S3' })
  }
  if (isObject(mediaApi) && Number(mediaApi.max_file_size_bytes) > S3_FILE_BYTES_MAX) {
    const message = `must be at most ${S3_FILE_BYTES_MAX} with S3, which takes no more at once`
    faults.push({ path: ['media_api', 'max_file_size_bytes'], message })
  }
}

function textAt(root: Record<string, unknown>, name: string, key: string): string | undefined {
  const section = root[name]
  const value = isObject(section) ? section[key] : undefined
  return typeof value === 'string' ? value : undefined
}
