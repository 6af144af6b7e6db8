import { type Logger, pino } from 'pino'
import type { Config } from '../config/schema.ts'

/** Where these stand in a logged object, their values are replaced. */
const SECRETS = ['access_token', 'refresh_token', 'password', 'token', 'authorization', 'registration_shared_secret']

const LEVELS: Readonly<Record<string, string>> = { warning: 'warn', panic: 'fatal' }

export interface LogOptions {
  readonly level?: string | undefined
  /** `auto`: readable on a terminal, JSON otherwise. */
  readonly format?: 'auto' | 'json' | 'pretty' | undefined
}

/** The log of the program: standard error, as configured, tokens and passwords blotted out. */
export async function openLog(config: Config | undefined, options: LogOptions = {}): Promise<Logger> {
  const configured = config?.logging.find((output) => output.type === 'std')?.level ?? 'info'
  const level = options.level ?? LEVELS[configured] ?? configured
  const paths = SECRETS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`])
  const settings = { level, redact: { paths, censor: '[hidden]' }, base: null }
  const pretty = options.format === 'pretty' || (options.format !== 'json' && process.stderr.isTTY === true)
  if (!pretty) return pino(settings, pino.destination({ fd: 2, sync: true }))
  const { default: prettify } = await import('pino-pretty')
  return pino(settings, prettify({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' }))
}
