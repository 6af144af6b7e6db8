import type { LoadedConfig } from '../config/load.ts'
import { copyRows, openCopySource, openCopyTarget } from '../db/copy.ts'
import { migrate } from '../db/migrate.ts'
import { MIGRATIONS } from '../store/migrations/index.ts'
import { stayBehind } from '../store/search-index.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import { ownerIs, statusOfMigrations, time } from './migrations.ts'

/**
 * Copies the database of the configuration into an empty one; answers the number of rows by table. A file is named
 * from the working directory. Errors: CommandError, those of `copyRows` and `openCopyTarget`.
 */
export async function copyDatabase(
  { config, dir }: Pick<LoadedConfig, 'config' | 'dir'>,
  to: string,
  onProgress: (done: number, total: number) => void,
): Promise<ReadonlyMap<string, number>> {
  const { current, pending } = await statusOfMigrations(config, dir)
  if (current === 0)
    throw new CommandError('There is no database to copy.', { exit: EXIT.notFound, code: 'NO_DATABASE' })
  if (pending.length > 0) {
    const suggestion = 'bring it up to date with `dendrite migrate`'
    throw new CommandError('The database has an older schema.', { exit: EXIT.config, code: 'OLD_SCHEMA', suggestion })
  }
  const from = config.global.database.connection_string
  const migrated = (connectionString: string) =>
    migrate({ connectionString }, MIGRATIONS, process.cwd(), time, { inspect: ownerIs(config) })
  const source = await openCopySource(from, dir)
  try {
    const target = await openCopyTarget(to, process.cwd(), time, migrated)
    try {
      return await copyRows(source, target, { leaves: stayBehind, onProgress })
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
