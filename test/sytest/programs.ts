import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Database {
  readonly host: string
  readonly port: string
}

/**
 * Writes the programs that Sytest's driver for Dendrite starts. It starts them without an environment, with one dash
 * before the flags of `generate-config`, and with a database URI that names no host. Its own web
 * server is known by `authority`, a certificate.
 */
export function writePrograms(dir: string, cli: string, authority: string, database?: Database): void {
  mkdirSync(dir, { recursive: true })
  const dendrite = `exec ${quote(process.execPath)} ${quote(cli)}`
  const host = database === undefined ? '' : `@${database.host}:${database.port}/`
  const programs = {
    dendrite: [
      // The driver names Sytest's web server for captchas alone; its single sign-on is there too.
      `web=$(sed -n 's|^ *recaptcha_siteverify_api: \\(https://[^/]*\\)/.*|\\1|p' "$2")`,
      `export NODE_EXTRA_CA_CERTS=${quote(authority)}`,
      // The suite is older than `m.mentions`.
      'export DENDRITE_USER_API__LEGACY_MENTIONS=true',
      `export DENDRITE_CLIENT_API__SSO__PROVIDERS="[{id: cas, name: CAS, type: cas, issuer: $web/cas}]"`,
      'export DENDRITE_ROOM_SERVER__ENABLE_EPHEMERAL_MESSAGES=true',
      `${dendrite} serve "$@"`,
    ],
    'generate-keys': [`${dendrite} generate-keys "$@"`],
    'generate-config': [
      'for argument; do',
      '  shift',
      '  case $argument in',
      '    -ci | -dir | -db) set -- "$@" "-$argument" ;;',
      `    postgresql://*@/*) set -- "$@" "\${argument%%@/*}${host}\${argument#*@/}" ;;`,
      '    *) set -- "$@" "$argument" ;;',
      '  esac',
      'done',
      `${dendrite} config init --print "$@"`,
    ],
  }
  const environment = ['PATH', 'HOME', 'TMPDIR'].filter((name) => process.env[name] !== undefined)
  const exports = environment.map((name) => `export ${name}=${quote(process.env[name] ?? '')}`)
  for (const [name, lines] of Object.entries(programs)) {
    writeFileSync(join(dir, name), ['#!/bin/sh', 'set -eu', ...exports, ...lines, ''].join('\n'), { mode: 0o755 })
  }
}

/** Sytest wants the file in both cases; with SQLite it names a file that Sytest may delete, and nothing else. */
export function writeDatabaseFile(dir: string, database: Database | undefined, name: string): void {
  mkdirSync(dir, { recursive: true })
  const args = {
    database: join(dir, 'unused.db'),
    dbname: name,
    user: 'postgres',
    password: 'postgres',
    host: database?.host ?? '',
    sslmode: 'disable',
  }
  const type = database === undefined ? 'sqlite' : 'pg'
  // JSON is YAML.
  writeFileSync(join(dir, 'database.yaml'), JSON.stringify({ type, args }))
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
