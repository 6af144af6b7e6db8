import { isAbsolute, resolve } from 'node:path'
import type { Database, DatabaseOptions } from './database.ts'
import { lockFile } from './lock-file.ts'
import { openSqlite, type SqliteHooks, type Time } from './sqlite.ts'

/** Ends the process when the disk failed a sync: EX_IOERR of sysexits.h. */
const EXIT_IO_ERROR = 74

const exitOnSyncFailure: SqliteHooks = {
  onSyncFailure(error) {
    process.stderr.write(`The database could not be synced to disk: ${error.message}\n`)
    process.exit(EXIT_IO_ERROR)
  },
}

/**
 * Opens a database that was migrated before. Errors: DatabaseNotMigrated; DatabaseLocked (SQLite with `exclusive`,
 * within 5 s); DatabaseUnavailable.
 */
export async function openDatabase(
  options: DatabaseOptions,
  dir: string,
  time: Time,
  hooks: SqliteHooks = exitOnSyncFailure,
): Promise<Database> {
  const path = sqlitePath(options.connectionString, dir)
  if (path === undefined) {
    const { maxOpenConnections: maxConnections, exclusive: server = false } = options
    // Loaded when it is used: servers on SQLite do without.
    const { openPostgres } = await import('./postgres.ts')
    return openPostgres(options.connectionString, time, { maxConnections, server })
  }
  const unlock = options.exclusive ? await lockFile(path, time) : () => undefined
  try {
    return await openSqlite(path, time, { ...hooks, onClosed: unlock, unsafeNoSync: options.unsafeNoSync ?? false })
  } catch (error) {
    unlock()
    throw error
  }
}

/** The path of the SQLite file, or undefined for PostgreSQL. */
export function sqlitePath(connectionString: string, dir: string): string | undefined {
  if (/^postgres(ql)?:\/\//.test(connectionString)) return undefined
  const path = connectionString.startsWith('file:') ? connectionString.slice('file:'.length) : connectionString
  return isAbsolute(path) ? path : resolve(dir, path)
}
