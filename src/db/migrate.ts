import type { DatabaseOptions } from './database.ts'
import { DatabaseTooNew, ForeignDatabase } from './errors.ts'
import { sqliteSchema } from './migrate-sqlite.ts'
import { sqlitePath } from './open.ts'
import type { Dialect } from './sql.ts'
import type { Time } from './sqlite.ts'

/** One step of the schema. Forward only; what was released is never edited. */
export interface Migration {
  readonly number: number
  readonly name: string
  /** The statements, run in order in one transaction together with the migration's own row. */
  up(dialect: Dialect): readonly string[]
}

export interface MigrationStatus {
  /** The number of the last migration applied, 0 for an empty database or none at all. */
  readonly current: number
  readonly pending: readonly Migration[]
}

/** What each engine does for `migrate`, on a connection of its own. */
export interface SchemaConnection {
  readonly dialect: Dialect
  /** Waits for the lock that keeps a second process from migrating at the same time. */
  lock(): Promise<void>
  /**
   * Takes what a running server holds, so that none runs and none starts until `close`. Errors: DatabaseLocked, within
   * five seconds.
   */
  keepServersOut(): Promise<void>
  /** The names of tables and, for SQLite, of files beside the database. */
  names(): Promise<readonly string[]>
  /** The numbers in `schema_migrations`, ascending; undefined without such a table. */
  applied(): Promise<readonly number[] | undefined>
  /** Rows of a query without values. */
  read(query: string): Promise<readonly Record<string, unknown>[]>
  /** All statements in one transaction; `done` is called after each. */
  apply(
    statements: readonly string[],
    row: { number: number; name: string; appliedAt: number },
    done: () => void,
  ): Promise<void>
  close(): Promise<void>
}

export interface MigrateOptions {
  /** Looks at a database that has a schema, before anything is written; what it throws stops everything. */
  readonly inspect?: (read: SchemaConnection['read']) => Promise<void>
  /** Refuses beside a running server even when there is nothing to do. */
  readonly alone?: boolean
  /** Hears of the statements that are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/**
 * Brings the schema up to the last migration and returns those applied. Two processes that try at once take turns.
 * Errors: DatabaseTooNew, ForeignDatabase and those of `inspect`, the database untouched; DatabaseLocked beside a
 * running server when there is something to do; DatabaseUnavailable.
 */
export async function migrate(
  options: DatabaseOptions,
  migrations: readonly Migration[],
  dir: string,
  time: Time,
  { inspect, alone = false, onProgress }: MigrateOptions = {},
): Promise<readonly Migration[]> {
  // A database that is refused is left as it is: not even a lock is put beside it.
  await look(options, migrations, dir, time, inspect)
  const schema = await connect(options, dir, time, 'create')
  if (schema === undefined) throw new Error('A schema connection that may create always exists')
  try {
    await schema.lock()
    const { pending } = await statusOf(schema, migrations)
    if (pending.length > 0 || alone) await schema.keepServersOut()
    if (pending.length > 0) await run(schema, pending, time, onProgress)
    return pending
  } finally {
    await schema.close()
  }
}

/** umzug is loaded only when there is something to do: most starts have nothing. */
async function run(
  schema: SchemaConnection,
  pending: readonly Migration[],
  { clock }: Time,
  onProgress: MigrateOptions['onProgress'],
): Promise<void> {
  const { Umzug } = await import('umzug')
  const statementsOf = (migration: Migration) => [migrationsTable(schema.dialect), ...migration.up(schema.dialect)]
  const total = pending.reduce((sum, migration) => sum + statementsOf(migration).length, 0)
  let count = 0
  const done = (): void => onProgress?.(++count, total)
  const umzug = new Umzug({
    migrations: pending.map((migration) => ({
      name: `${String(migration.number).padStart(4, '0')}-${migration.name}`,
      up: async () => {
        const row = { number: migration.number, name: migration.name, appliedAt: clock.now() }
        await schema.apply(statementsOf(migration), row, done)
      },
    })),
    // Each migration writes its row in its own transaction: what umzug would note afterwards could get lost between.
    storage: { executed: async () => [], logMigration: async () => undefined, unlogMigration: async () => undefined },
    logger: undefined,
  })
  await umzug.up()
}

/** What `migrate` would do; writes nothing and creates no file. Errors: as `migrate`. */
export async function migrationStatus(
  options: DatabaseOptions,
  migrations: readonly Migration[],
  dir: string,
  time: Time,
): Promise<MigrationStatus> {
  return look(options, migrations, dir, time)
}

async function look(
  options: DatabaseOptions,
  migrations: readonly Migration[],
  dir: string,
  time: Time,
  inspect?: MigrateOptions['inspect'],
): Promise<MigrationStatus> {
  const schema = await connect(options, dir, time, 'look')
  if (schema === undefined) return { current: 0, pending: inOrder(migrations) }
  try {
    const status = await statusOf(schema, migrations)
    if (status.current > 0) await inspect?.(schema.read)
    return status
  } finally {
    await schema.close()
  }
}

/** The statement that makes the table in which each migration notes itself. */
export function migrationsTable(dialect: Dialect): string {
  const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
  return `CREATE TABLE IF NOT EXISTS schema_migrations
    (number BIGINT PRIMARY KEY, name ${text} NOT NULL, applied_at BIGINT NOT NULL)`
}

async function connect(
  options: DatabaseOptions,
  dir: string,
  time: Time,
  mode: 'create' | 'look',
): Promise<SchemaConnection | undefined> {
  const path = sqlitePath(options.connectionString, dir)
  if (path !== undefined) return sqliteSchema(path, time, mode)
  const { postgresSchema } = await import('./migrate-postgres.ts')
  return postgresSchema(options.connectionString, time)
}

async function statusOf(schema: SchemaConnection, migrations: readonly Migration[]): Promise<MigrationStatus> {
  const ordered = inOrder(migrations)
  const applied = await schema.applied()
  if (applied === undefined) {
    refuseForeign(await schema.names())
    return { current: 0, pending: ordered }
  }
  const newest = ordered.at(-1)?.number ?? 0
  const current = applied.at(-1) ?? 0
  if (current > newest) {
    throw new DatabaseTooNew(`The database has schema ${current}, this version of the program knows up to ${newest}`)
  }
  const known = new Set(applied)
  return { current, pending: ordered.filter(({ number }) => !known.has(number)) }
}

function inOrder(migrations: readonly Migration[]): Migration[] {
  return [...migrations].sort((a, b) => a.number - b.number)
}

const GO_COMPONENTS =
  'appservice|federationapi|keyserver|mediaapi|mscs|naffka|pushserver|relayapi|roomserver|syncapi|userapi'
const GO_FILES = new RegExp(`^(dendrite_.+|(${GO_COMPONENTS}|userapi_accounts|userapi_devices))\\.db$`)
const GO_TABLES = new RegExp(`^(db_migrations$|(${GO_COMPONENTS})_)`)

/**
 * A database without our table of migrations that holds what the Dendrite written in Go makes is not ours to change.
 */
function refuseForeign(names: readonly string[]): void {
  const foreign = names.find((name) => GO_FILES.test(name) || GO_TABLES.test(name))
  if (foreign === undefined) return
  throw new ForeignDatabase(`Found ${foreign}: the database of the Dendrite written in Go cannot be used here`)
}
