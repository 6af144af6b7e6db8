import { closeSync, existsSync, openSync, readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import Sqlite from 'better-sqlite3'
import { lockFile, migrationLock } from './lock-file.ts'
import type { SchemaConnection } from './migrate.ts'
import { openFile, type Time } from './sqlite.ts'

/** `look` opens an existing file read-only, and gives undefined when there is none (or names beside it only). */
export async function sqliteSchema(
  path: string,
  time: Time,
  mode: 'create' | 'look',
): Promise<SchemaConnection | undefined> {
  const exists = existsSync(path)
  if (!exists && mode === 'look' && neighbours(path).length === 0) return undefined
  // Nothing is created or switched to WAL before the checks have passed: they look at a read-only connection.
  let db = exists ? new Sqlite(path, { readonly: true }) : undefined
  const unlock: (() => void)[] = []
  return {
    dialect: 'sqlite',
    async lock() {
      unlock.push(await migrationLock(path, time))
      if (db === undefined && existsSync(path)) db = new Sqlite(path, { readonly: true })
    },
    async keepServersOut() {
      unlock.push(await lockFile(path, time))
    },
    async names() {
      const tables = db?.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).pluck().all() ?? []
      return [...(tables as string[]), ...neighbours(path)]
    },
    async applied() {
      const table = db?.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'`).get()
      if (table === undefined) return undefined
      return db!.prepare('SELECT number FROM schema_migrations ORDER BY number').pluck().all() as number[]
    },
    read: async (query) => (db?.prepare(query).all() ?? []) as Record<string, unknown>[],
    async apply(statements, row, done) {
      if (db === undefined || db.readonly) {
        db?.close()
        if (!existsSync(path)) createPrivate(path)
        db = openFile(path)
      }
      const writable = db
      writable
        .transaction(() => {
          for (const statement of statements) {
            writable.exec(statement)
            done()
          }
          writable.prepare('INSERT INTO schema_migrations VALUES (?, ?, ?)').run(row.number, row.name, row.appliedAt)
        })
        .immediate()
    },
    async close() {
      db?.close()
      for (const release of unlock.reverse()) release()
    },
  }
}

/** Only the owner may read what holds sessions and password hashes; the files that SQLite adds take over the mode. */
function createPrivate(path: string): void {
  closeSync(openSync(path, 'wx', 0o600))
}

function neighbours(path: string): string[] {
  const directory = dirname(path)
  if (!existsSync(directory)) return []
  return readdirSync(directory).filter((name) => name.endsWith('.db') && name !== basename(path))
}
