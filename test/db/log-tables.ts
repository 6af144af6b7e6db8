import type { Migration } from '../../src/db/migrate.ts'

/** The tables that every commit needs, and one to write to. */
export const logTables: Migration = {
  number: 1,
  name: 'log-tables',
  up: (dialect) => [
    `CREATE TABLE log (position BIGINT PRIMARY KEY, kind TEXT NOT NULL, room BIGINT,
      user_id TEXT, device_id TEXT, subject TEXT)`,
    `CREATE TABLE log_head (one SMALLINT PRIMARY KEY, position BIGINT NOT NULL)`,
    `INSERT INTO log_head (one, position) VALUES (1, 0)`,
    `CREATE TABLE id_blocks (kind TEXT PRIMARY KEY, next_id BIGINT NOT NULL)`,
    `CREATE TABLE things (name TEXT PRIMARY KEY, value BIGINT, position BIGINT,
      bytes ${dialect === 'postgres' ? 'BYTEA' : 'BLOB'})`,
  ],
}
