import { sqlitePath } from './open.ts'
import type { Row } from './sql.ts'
import type { Time } from './sqlite.ts'

/** A database as it was at one moment, whatever others write to it meanwhile. */
export interface CopySource {
  /** How many rows each table has. */
  tables(): Promise<ReadonlyMap<string, number>>
  /** All rows of a table, some hundred at a time. */
  rows(table: string): AsyncIterable<readonly Row[]>
  close(): Promise<void>
}

/** An empty database with the same schema. */
export interface CopyTarget {
  /** Takes out what the migrations have put into the table. */
  clear(table: string): Promise<void>
  add(table: string, rows: readonly Row[]): Promise<void>
  count(table: string): Promise<number>
  /** Makes everything durable at once. A target that is closed without it stays empty. */
  keep(): Promise<void>
  close(): Promise<void>
}

export interface CopyOptions {
  /** What stays behind: a table that is made anew from the others, or a row of it. */
  readonly leaves: (table: string, row?: Row) => boolean
  readonly onProgress?: (done: number, total: number) => void
}

/** Rows are gone, or there are too many: what was copied is not kept. */
export class CopyIncomplete extends Error {
  override readonly name = 'CopyIncomplete'
}

/** There is something in the database, or in the place of the file, already. */
export class TargetInUse extends Error {
  override readonly name = 'TargetInUse'
}

/**
 * Copies every row, counts them at both ends, and only then keeps them. Answers the number of rows by table.
 * Errors: CopyIncomplete; UnstorableText for a text that PostgreSQL cannot hold; DatabaseUnavailable.
 */
export async function copyRows(
  source: CopySource,
  target: CopyTarget,
  { leaves, onProgress }: CopyOptions,
): Promise<ReadonlyMap<string, number>> {
  const tables = [...(await source.tables())].filter(([table]) => !leaves(table))
  const total = tables.reduce((sum, [, rows]) => sum + rows, 0)
  const copied = new Map<string, number>()
  let done = 0
  for (const [table] of tables) {
    await target.clear(table)
    let given = 0
    for await (const rows of source.rows(table)) {
      const kept = rows.filter((row) => !leaves(table, row))
      if (kept.length > 0) await target.add(table, kept)
      given += kept.length
      done += rows.length
      onProgress?.(done, total)
    }
    const there = await target.count(table)
    if (there !== given) throw new CopyIncomplete(`${there} of ${given} rows of ${table} arrived; nothing is kept`)
    copied.set(table, given)
  }
  await target.keep()
  return copied
}

/** Opens a database that is migrated, and writes nothing to it. Errors: DatabaseUnavailable. */
export async function openCopySource(connectionString: string, dir: string): Promise<CopySource> {
  const path = sqlitePath(connectionString, dir)
  if (path === undefined) return (await import('./copy-postgres.ts')).postgresSource(connectionString)
  return (await import('./copy-sqlite.ts')).sqliteSource(path)
}

/**
 * Opens the place of the copy, after `migrated` has made the schema in the database that it is given. Keeps servers out
 * until it is closed. Errors: TargetInUse, DatabaseLocked, DatabaseUnavailable and those of `migrated`.
 */
export async function openCopyTarget(
  connectionString: string,
  dir: string,
  time: Time,
  migrated: (connectionString: string) => Promise<unknown>,
): Promise<CopyTarget> {
  const path = sqlitePath(connectionString, dir)
  if (path !== undefined) return (await import('./copy-sqlite.ts')).sqliteTarget(path, migrated)
  return (await import('./copy-postgres.ts')).postgresTarget(connectionString, time, migrated)
}
