import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../..')
const ENDPOINTS_FILE = join(import.meta.dirname, 'endpoints.tsv')
/** `METHOD path`, tab, a test file that calls it and gets 2xx. Written by `npm run endpoints`. */
export const TESTED_FILE = join(import.meta.dirname, 'tested.tsv')

/** What the specification says of one endpoint. */
export interface SpecRow {
  /** `GET /_matrix/client/v3/sync` */
  readonly key: string
  readonly method: string
  readonly path: string
  readonly auth: string
  readonly guest: boolean
  /** 1.0: the oldest that is known. */
  readonly since: string
  /** Other version segments that are served, as `r0`. */
  readonly aliases: readonly string[]
  readonly area: string
}

/** Every endpoint that the specification asks of a homeserver. */
export const SPEC: readonly SpecRow[] = linesOf(ENDPOINTS_FILE)
  .slice(1)
  .map(([method = '', path = '', auth = '', guest, since = '', aliases = '', area = '']) => ({
    key: `${method} ${path}`,
    method,
    path,
    auth,
    guest: guest === 'yes',
    since,
    aliases: aliases === '-' ? [] : aliases.split(','),
    area,
  }))

/** Which test calls which endpoint. */
export function readTested(): Map<string, string> {
  return new Map((existsSync(TESTED_FILE) ? linesOf(TESTED_FILE) : []).map(([key = '', file = '']) => [key, file]))
}

const PATTERNS = SPEC.map((row) => ({
  row,
  // The more of a path is literal, the better it matches.
  weight: row.path.replace(/\{\w+\}/g, '').length,
  pattern: new RegExp(
    `^(?:${[row.path, ...row.aliases.map((alias) => otherVersion(row.path, alias))].map(toRegExp).join('|')})$`,
  ),
})).sort((one, other) => other.weight - one.weight)

/** The row of a request; undefined for what is not the specification's. */
export function rowOf(method: string, url: string): SpecRow | undefined {
  const path = url.replace(/\?.*$/, '')
  return PATTERNS.find(({ row, pattern }) => row.method === method && pattern.test(path))?.row
}

function otherVersion(path: string, version: string): string {
  return path.replace(/\/v\d+\//, `/${version}/`)
}

function toRegExp(path: string): string {
  return path
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith('{') ? '[^/]+' : part.replace(/[.*+?^$()[\]\\|]/g, '\\$&')))
    .join('')
}

function linesOf(file: string): string[][] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => line.split('\t'))
}
