import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3'
import { type CopySource, type CopyTarget, TargetInUse } from './copy.ts'
import type { Row } from './sql.ts'

const ROWS_MAX = 500

export function sqliteSource(path: string): CopySource {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true })
  // All that is read from here on is of the moment of the first read.
  db.exec('BEGIN')
  return {
    async tables() {
      const names = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).pluck().all()
      const own = (names as string[]).filter((name) => !name.startsWith('sqlite_'))
      return new Map(own.map((name) => [name, countIn(db, name)]))
    },
    async *rows(table) {
      let rows: Row[] = []
      for (const row of db.prepare<[], Row>(`SELECT * FROM ${table}`).iterate()) {
        rows.push(row)
        if (rows.length < ROWS_MAX) continue
        yield rows
        rows = []
      }
      if (rows.length > 0) yield rows
    },
    close: async () => void db.close(),
  }
}

/** The file has another name until it is whole, so that nobody takes half a copy for one. */
export async function sqliteTarget(
  path: string,
  migrated: (connectionString: string) => Promise<unknown>,
): Promise<CopyTarget> {
  if (existsSync(path)) throw new TargetInUse(`${path} exists already`)
  const part = `${path}.part`
  removeAll(part)
  await migrated(`file:${part}`)
  const db = new Sqlite(part)
  // Half a file is thrown away: it needs no journal.
  db.pragma('journal_mode = OFF')
  db.pragma('synchronous = OFF')
  db.exec('BEGIN')
  return {
    clear: async (table) => void db.prepare(`DELETE FROM ${table}`).run(),
    async add(table, rows) {
      const columns = Object.keys(rows[0]!)
      const places = columns.map(() => '?').join(', ')
      const insert = db.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`)
      for (const row of rows) insert.run(columns.map((column) => row[column]))
    },
    count: async (table) => countIn(db, table),
    async keep() {
      db.exec('COMMIT')
      db.pragma('journal_mode = WAL')
      db.close()
      syncPath(part)
      renameSync(part, path)
      syncPath(dirname(path))
    },
    async close() {
      if (db.open) db.close()
      removeAll(part)
    },
  }
}

function countIn(db: Sqlite.Database, table: string): number {
  return db.prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get() as number
}

/** The file, and what SQLite and the migrations put beside it. */
function removeAll(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal', '.lock', '.migrate-lock'])
    rmSync(path + suffix, { force: true })
}

function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
