import type { Logger } from 'pino'
import { checkOwner } from '../actions/claim-database.ts'
import type { Config } from '../config/schema.ts'
import { type MigrateOptions, type MigrationStatus, migrate, migrationStatus } from '../db/migrate.ts'
import { systemClock, systemTimers } from '../live/time.ts'
import { SERVER_NAME_QUERY } from '../store/meta.ts'
import { MIGRATIONS } from '../store/migrations/index.ts'

/** Of the system, for what runs outside of a server. */
export const time = { clock: systemClock, timers: systemTimers }

interface Wish {
  /** The last migration to apply. */
  readonly to?: number | undefined
  /** Refuses beside a running server also when nothing is pending. */
  readonly alone?: boolean
  /** Hears of the statements that are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Brings the database up to date; answers the names of what was done. Errors: as `migrate` of `db/migrate.ts`, and
 * WrongServerName, before anything is written.
 */
export async function migrateToLatest(config: Config, dir: string, log: Logger, wish: Wish = {}): Promise<string[]> {
  const { to, alone = false, onProgress } = wish
  const migrations = to === undefined ? MIGRATIONS : MIGRATIONS.filter((one) => one.number <= to)
  const applied = await migrate(databaseOptions(config), migrations, dir, time, {
    alone,
    onProgress,
    inspect: ownerIs(config),
  })
  for (const one of applied) log.info(`migration ${one.number} ${one.name}: done`)
  return applied.map((one) => `${one.number} ${one.name}`)
}

/** Looks whose a database is before it is written to. Errors: WrongServerName. */
export function ownerIs({ global }: Config): NonNullable<MigrateOptions['inspect']> {
  return async (read) => {
    const [row] = await read(SERVER_NAME_QUERY)
    if (row !== undefined) checkOwner(String(row.value), global.server_name)
  }
}

/** What `migrateToLatest` would do; writes nothing. */
export function statusOfMigrations(config: Config, dir: string): Promise<MigrationStatus> {
  return migrationStatus(databaseOptions(config), MIGRATIONS, dir, time)
}

function databaseOptions(config: Config) {
  const { connection_string, max_open_conns } = config.global.database
  return { connectionString: connection_string, maxOpenConnections: max_open_conns }
}
