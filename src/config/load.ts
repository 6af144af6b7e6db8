import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { cosmiconfigSync } from 'cosmiconfig'
import { complete, type Fault } from './complete.ts'
import { overlayEnvironment } from './environment.ts'
import type { Config } from './schema.ts'
import { parseYaml, type SourceMap } from './yaml.ts'

/** What was wrong, all of it at once; every fault with the line where it stands, if it stands in a file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(source: string, faults: readonly string[]) {
    super(`${source}: ${faults.length === 1 ? faults[0] : faults.map((fault) => `\n  ${fault}`).join('')}`)
    this.faults = faults
  }
}

export interface LoadedConfig {
  readonly config: Config
  /** The file; undefined when everything came from the environment. */
  readonly file: string | undefined
  /** Unknown keys and keys without effect, one sentence each. */
  readonly warnings: readonly string[]
}

const FILE_NAMES = ['dendrite.yaml', 'dendrite.yml', 'dendrite.json']

/**
 * Reads the configuration: `file`, or the first `dendrite.yaml` upwards from `dir`, then in the user's and the
 * system's configuration directory. Environment variables `DENDRITE_<SECTION>__<KEY>` win over it.
 * Errors: ConfigError. Answers undefined when there is no file to be found and none was named.
 */
export function loadConfig(options: { file?: string | undefined; dir: string }): LoadedConfig | undefined {
  const file = options.file === undefined ? findConfigFile(options.dir) : resolve(options.file)
  if (file === undefined) return undefined
  return readConfig(readText(file), file, process.env)
}

/** The configuration in a text. `source` names it in messages; `environment` overrides its keys. */
export function readConfig(text: string, source: string, environment: NodeJS.ProcessEnv = {}): LoadedConfig {
  const { value, lines, errors } = parseYaml(text)
  if (errors.length > 0) throw new ConfigError(source, errors)
  const overlay = overlayEnvironment(value, environment)
  const completed = complete(overlay.value, (path) => readSecretFile(path, source))
  const faults = [...overlay.faults, ...completed.faults.map((fault) => place(fault, lines, overlay.names))]
  if (faults.length > 0) throw new ConfigError(source, faults)
  const warnings = completed.warnings.map((fault) => `${source}: ${place(fault, lines, overlay.names)}`)
  return { config: completed.config, file: source, warnings }
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

/** The file that `loadConfig` would read when none is named. Nothing found is ever executed. */
export function findConfigFile(dir: string): string | undefined {
  const explorer = cosmiconfigSync('dendrite', {
    searchPlaces: FILE_NAMES,
    searchStrategy: 'global',
    stopDir: homedir(),
    loaders: { '.yaml': keepText, '.yml': keepText, '.json': keepText },
  })
  const found = explorer.search(dir)?.filepath
  if (found !== undefined) return found
  const configHome = process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config')
  return explorer.search(join(configHome, 'dendrite'))?.filepath ?? explorer.search('/etc/dendrite')?.filepath
}

/** Environment variables that belong to the command line and not to a key, by their name without `DENDRITE_`. */
export function commandVariable(name: 'CONFIG' | 'PASSWORD' | 'LOG_FORMAT'): string | undefined {
  return process.env[`DENDRITE_${name}`]
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
  return `${line === undefined ? '' : `line ${line}: `}${key} ${fault.message}`
}
