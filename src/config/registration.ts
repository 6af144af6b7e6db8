import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Static, Type } from '@sinclair/typebox'
import { Ajv } from 'ajv'
import { localpartFault } from '../core/ids.ts'
import { ConfigError } from './load.ts'
import { isObject } from './walk.ts'
import { parseYaml } from './yaml.ts'

const ID_LENGTH_MAX = 255
const TOKEN_LENGTH_MAX = 1_024
const URL_LENGTH_MAX = 2_048
const REGEX_LENGTH_MAX = 1_000
const NAMESPACES_MAX = 100
const PROTOCOLS_MAX = 100

const Namespace = Type.Object({
  exclusive: Type.Optional(Type.Boolean({ default: false })),
  regex: Type.String({ minLength: 1, maxLength: REGEX_LENGTH_MAX }),
})
const NamespaceList = Type.Array(Namespace, { maxItems: NAMESPACES_MAX, default: [] })
const Secret = Type.String({ minLength: 1, maxLength: TOKEN_LENGTH_MAX })

const RegistrationSchema = Type.Object({
  id: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX }),
  url: Type.Union([Type.Null(), Type.String({ maxLength: URL_LENGTH_MAX })], { default: null }),
  as_token: Secret,
  hs_token: Secret,
  sender_localpart: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX }),
  namespaces: Type.Object({ users: NamespaceList, aliases: NamespaceList, rooms: NamespaceList }, { default: {} }),
  rate_limited: Type.Boolean({ default: true }),
  protocols: Type.Array(Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX }), {
    maxItems: PROTOCOLS_MAX,
    default: [],
  }),
  receive_ephemeral: Type.Boolean({ default: false }),
  'org.matrix.msc3202': Type.Boolean({ default: false }),
})

export interface NamespaceRule {
  readonly exclusive?: boolean
  /** RE2 syntax; it matches from the first character of the id on, and not necessarily all of it. */
  readonly regex: string
}

/** An application service, as its file has it. */
export type Registration = Static<typeof RegistrationSchema> & { readonly file: string }

/** What `receive_ephemeral` was called before version 1.13 of the specification. */
const OLDER_EPHEMERAL = ['de.sorunome.msc2409.push_ephemeral', 'push_ephemeral']

/** The registrations in files; relative paths start from `dir`. Errors: ConfigError, which names the file. */
export function readRegistrations(files: readonly string[], dir: string): Registration[] {
  return files.map((file) => {
    const path = resolve(dir, file)
    try {
      return parseRegistration(readFileSync(path, 'utf8'), path)
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw new ConfigError(path, [`cannot be read: ${(error as NodeJS.ErrnoException).code}`])
    }
  })
}

/** Application Service API, "Registration". Keys that are not known are left alone. Errors: ConfigError. */
export function parseRegistration(text: string, file: string): Registration {
  const { value, lines, errors } = parseYaml(text)
  if (errors.length > 0) throw new ConfigError(file, errors)
  if (!isObject(value)) throw new ConfigError(file, ['must be a mapping'])
  dropEmpty(value)
  if (OLDER_EPHEMERAL.some((key) => value[key] === true)) value.receive_ephemeral = true
  const check = new Ajv({ allErrors: true, useDefaults: true, strict: false }).compile<Registration>(RegistrationSchema)
  const faults = check(value)
    ? meaningFaults(value)
    : (check.errors ?? []).map(({ instancePath, message, keyword, params }) => {
        const path = instancePath.split('/').slice(1)
        if (keyword === 'required') return `${[...path, String(params.missingProperty)].join('.')} is missing`
        return `line ${lines.lineOf(path) ?? 1}: ${path.join('.')} ${message}`
      })
  if (faults.length > 0) throw new ConfigError(file, faults)
  return { ...(value as Registration), file }
}

/** A key without a value counts as absent; a URL may be empty, as the Go Dendrite writes it, or null. */
function dropEmpty(value: Record<string, unknown>): void {
  if (value.url === '') value.url = null
  for (const at of [value, value.namespaces].filter(isObject))
    for (const key of Object.keys(at)) if (at[key] === null && key !== 'url') delete at[key]
}

const URL_SCHEMES = /^(?:https?|unix):\/\/./

function meaningFaults({ url, sender_localpart: sender }: Registration): string[] {
  const fault = localpartFault(sender)
  const urlIsGood = url === null || (URL_SCHEMES.test(url) && (url.startsWith('unix:') || URL.canParse(url)))
  return [
    ...(fault === undefined ? [] : [`sender_localpart: ${fault}`]),
    ...(urlIsGood ? [] : ['url must begin with http://, https:// or unix://']),
  ]
}
