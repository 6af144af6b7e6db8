import type { Logger } from 'pino'
import type { Config } from '../config/schema.ts'
import { type MigrationStatus, migrate, migrationStatus } from '../db/migrate.ts'
import { systemClock, systemTimers } from '../live/time.ts'
import { MIGRATIONS } from '../store/migrations/index.ts'

const time = { clock: systemClock, timers: systemTimers }

/** Brings the database up to date; answers the names of what was done. Errors: as `migrate` of `db/migrate.ts`. */
export async function migrateToLatest(config: Config, dir: string, log: Logger, to?: number): Promise<string[]> {
  const migrations = to === undefined ? MIGRATIONS : MIGRATIONS.filter((one) => one.number <= to)
  const applied = await migrate(databaseOptions(config), migrations, dir, time)
  for (const one of applied) log.info(`migration ${one.number} ${one.name}: done`)
  return applied.map((one) => `${one.number} ${one.name}`)
}

/** What `migrateToLatest` would do; writes nothing. */
export function statusOfMigrations(config: Config, dir: string): Promise<MigrationStatus> {
  return migrationStatus(databaseOptions(config), MIGRATIONS, dir, time)
}

function databaseOptions(config: Config) {
  const { connection_string, max_open_conns } = config.global.database
  return { connectionString: connection_string, maxOpenConnections: max_open_conns }
}
