import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { cosmiconfigSync } from 'cosmiconfig'
import { complete } from './complete.ts'
import { overlayEnvironment } from './environment.ts'
import type { Fault } from './fault.ts'
import type { Config } from './schema.ts'
import { isObject } from './walk.ts'
import { parseYaml, type SourceMap } from './yaml.ts'

/** What was wrong, all of it at once; every fault with the line where it stands, if it stands in a file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(source: string, faults: readonly string[]) {
    super(`${source}:${faults.length === 1 ? ` ${faults[0]}` : faults.map((fault) => `\n  ${fault}`).join('')}`)
    this.faults = faults
  }
}

export interface LoadedConfig {
  readonly config: Config
  readonly file: string
  /** Where the relative paths of the configuration start. */
  readonly dir: string
  /** Unknown keys and keys without effect, one sentence each. */
  readonly warnings: readonly string[]
  /** Where a key's value comes from: `line 3`, the name of a variable, or `default`. */
  originOf(path: readonly string[]): string
}

const FILE_NAMES = ['dendrite.yaml', 'dendrite.yml', 'dendrite.json']

/**
 * Reads the configuration: `file`; or `dendrite.yaml` in `dir`; or the first one upwards from the working directory,
 * then in the user's and the system's configuration directory. Relative paths in it start from `dir`; without, from the
 * working directory for a file that was named (as in the Go Dendrite), from the file's own directory for one found.
 * Environment variables `DENDRITE_<SECTION>__<KEY>` win over it. Errors: ConfigError. Undefined: there is no file.
 */
export function loadConfig(options: { file?: string | undefined; dir?: string | undefined }): LoadedConfig | undefined {
  const file = options.file === undefined ? findConfigFile(options.dir) : resolve(options.file)
  if (file === undefined) return undefined
  const dir = resolve(options.dir ?? (options.file === undefined ? dirname(file) : '.'))
  return { ...readConfig(readText(file), file, process.env), dir }
}

/** The configuration in a text. `source` names it in messages; `environment` overrides its keys. */
export function readConfig(
  text: string,
  source: string,
  environment: NodeJS.ProcessEnv = {},
): Omit<LoadedConfig, 'dir'> {
  const { value, lines, errors } = parseYaml(text)
  if (errors.length > 0) throw new ConfigError(source, errors)
  const overlay = overlayEnvironment(value, environment)
  const completed = complete(overlay.value, (path) => readSecretFile(path, source))
  if (overlay.faults.length + completed.faults.length > 0) {
    // A key that is misspelt is often why another one is missing.
    const faults = inOrder([...completed.faults, ...completed.unknown], lines)
    throw new ConfigError(source, [...overlay.faults, ...faults.map((fault) => place(fault, lines, overlay.names))])
  }
  const withoutEffect = inOrder([...completed.unknown, ...completed.ignored], lines)
  const warnings = withoutEffect.map((fault) => `${source}: ${place(fault, lines, overlay.names)}`)
  const originOf = (path: readonly string[]) => {
    const written = [path, [...path.slice(0, -1), `${path.at(-1)}_file`]].find((one) => isGiven(value, one))
    const place = written === undefined ? 'default' : `line ${lines.lineOf(written)}`
    return overlay.names.get(path.join('.')) ?? place
  }
  return { config: completed.config, file: source, warnings, originOf }
}

/** Whether the file has a value there. */
function isGiven(value: unknown, path: readonly string[]): boolean {
  let at = value
  for (const step of path) at = isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined
  return at !== undefined && at !== null
}

/** A complete configuration from a few values, for tests and tools. Errors: ConfigError. */
export function configFrom(values: Readonly<Record<string, unknown>>): Config {
  const completed = complete(structuredClone(values), (path) => readFileSync(path, 'utf8'))
  if (completed.faults.length > 0) {
    throw new ConfigError(
      'configuration',
      completed.faults.map((fault) => `${fault.path.join('.')} ${fault.message}`),
    )
  }
  return completed.config
}

/** The file that `loadConfig` reads when none is named. Nothing found is ever executed. */
function findConfigFile(dir: string | undefined): string | undefined {
  const loaders = { '.yaml': keepText, '.yml': keepText, '.json': keepText }
  const options = { searchPlaces: FILE_NAMES, loaders, ignoreEmptySearchPlaces: false }
  const here = cosmiconfigSync('dendrite', { ...options, searchStrategy: 'none' })
  if (dir !== undefined) return here.search(dir)?.filepath
  const upwards = cosmiconfigSync('dendrite', { ...options, searchStrategy: 'global', stopDir: homedir() })
  const configHome = process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config')
  return upwards.search()?.filepath ?? [join(configHome, 'dendrite'), '/etc/dendrite'].map(searchIn).find((one) => one)

  function searchIn(place: string): string | undefined {
    return here.search(place)?.filepath
  }
}

function keepText(_path: string, content: string): { text: string } {
  return { text: content }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(file, [`cannot be read: ${(error as NodeJS.ErrnoException).code}`])
  }
}

function readSecretFile(path: string, source: string): string {
  return readFileSync(resolve(dirname(source), path), 'utf8')
}

function place(fault: Fault, lines: SourceMap, names: ReadonlyMap<string, string>): string {
  const key = fault.path.join('.')
  const variable = names.get(key)
  if (variable !== undefined) return `${variable} (${key}) ${fault.message}`
  const line = lines.lineOf(fault.path)
  return `${line === undefined ? '' : `line ${line}: `}${key === '' ? '' : `${key} `}${fault.message}`
}

/** As a reader of the file comes by them; what stands nowhere comes first. */
function inOrder(faults: readonly Fault[], lines: SourceMap): Fault[] {
  const line = ({ path }: Fault) => lines.lineOf(path) ?? 0
  return faults.toSorted((a, b) => line(a) - line(b))
}
