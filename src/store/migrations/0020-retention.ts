/**
 * Rooms of which old messages may have to go: when to look at them next, and what was looked at, up to a time and an
 * event of that time. `late` counts what came since with an older time, or changed how long messages are kept.
 */
export const retention = {
  number: 20,
  name: 'retention',
  up: (): readonly string[] => [
    `CREATE TABLE retention_rooms (room BIGINT PRIMARY KEY, due_ts BIGINT NOT NULL DEFAULT 0,
      purged_ts BIGINT NOT NULL DEFAULT -1, purged_event BIGINT NOT NULL DEFAULT 0, late BIGINT NOT NULL DEFAULT 0)`,
    'CREATE INDEX retention_rooms_due ON retention_rooms (due_ts)',
    `INSERT INTO retention_rooms (room) SELECT room FROM current_state
      WHERE type = 'm.room.retention' AND state_key = ''`,
  ],
}
