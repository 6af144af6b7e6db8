import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from '../config/schema.ts'

/** Where these stand in a logged object, their values are replaced. */
const SECRETS = ['access_token', 'refresh_token', 'password', 'token', 'authorization', 'registration_shared_secret']

const LEVELS: Readonly<Record<string, string>> = { warning: 'warn', panic: 'fatal' }

const DEFAULT_DIRECTORY = 'logs'
const FILE_NAME = 'dendrite.log'

export interface LogOptions {
  readonly level?: string | undefined
  /** `auto`: readable on a terminal, JSON otherwise. */
  readonly format?: 'auto' | 'json' | 'pretty' | undefined
  /** Relative paths of log files start here; without it none is written, and everything goes to standard error. */
  readonly dir?: string
}

type Output = Config['logging'][number]

/**
 * The log of the program, tokens and passwords blotted out: to standard error, and to files where the configuration
 * says so. Errors: those of opening a file.
 */
export async function openLog(config: Config | undefined, options: LogOptions = {}): Promise<Logger> {
  const { dir } = options
  const outputs = config?.logging ?? []
  const files = outputs.filter(({ type }) => type === 'file' && dir !== undefined)
  const standard = outputs.find(({ type }) => type === 'std')
  const streams = files.map((file) => entry(file, options, fileStream(file, dir ?? '')))
  if (standard !== undefined || streams.length === 0) {
    streams.push(entry(standard, options, await standardError(options.format)))
  }
  const paths = SECRETS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`])
  const settings = { level: 'trace', redact: { paths, censor: '[hidden]' }, base: null }
  const [only] = streams
  if (only !== undefined && streams.length === 1) return pino({ ...settings, level: only.level ?? 'info' }, only.stream)
  return pino(settings, pino.multistream(streams))
}

function entry(output: Output | undefined, options: LogOptions, stream: DestinationStream): pino.StreamEntry {
  const configured = output?.level ?? 'info'
  return { level: (options.level ?? LEVELS[configured] ?? configured) as pino.Level, stream }
}

async function standardError(format: LogOptions['format']): Promise<DestinationStream> {
  const pretty = format === 'pretty' || (format !== 'json' && process.stderr.isTTY === true)
  if (!pretty) return pino.destination({ fd: 2, sync: true })
  const { default: prettify } = await import('pino-pretty')
  return prettify({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' })
}

/** Appends, so that a log that was moved by truncating it goes on. */
function fileStream({ params }: Output, dir: string): DestinationStream {
  const directory = resolve(dir, typeof params?.path === 'string' ? params.path : DEFAULT_DIRECTORY)
  mkdirSync(directory, { recursive: true, mode: 0o750 })
  return pino.destination({ dest: join(directory, FILE_NAME), append: true, sync: true, mode: 0o640 })
}
