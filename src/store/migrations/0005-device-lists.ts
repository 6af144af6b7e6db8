import type { Dialect } from '../../db/sql.ts'

/**
 * Which device of a list changed, and who alone is told of it; since when a list of another server is followed; and
 * one-time keys that were given away, which are remembered for a while: a client that did not hear that its upload
 * arrived sends the same keys again.
 */
export const deviceLists = {
  number: 5,
  name: 'device-lists',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `ALTER TABLE device_list_changes ADD COLUMN device_id ${text}`,
      `ALTER TABLE device_list_changes ADD COLUMN told ${text}`,
      `CREATE INDEX device_list_changes_user ON device_list_changes (user_id, position)`,
      `ALTER TABLE remote_device_lists ADD COLUMN position BIGINT NOT NULL DEFAULT 0`,
      `CREATE INDEX remote_device_lists_stale ON remote_device_lists (retry_at) WHERE stale = 1`,
      `ALTER TABLE one_time_keys ADD COLUMN claimed_ts BIGINT`,
    ]
  },
}
