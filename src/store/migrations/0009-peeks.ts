import type { Dialect } from '../../db/sql.ts'

/** Rooms that devices look into without being there (MSC2753), each since a position of the log. */
export const peeks = {
  number: 9,
  name: 'peeks',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE peeks (user_id ${text} NOT NULL, device_id ${text} NOT NULL, room BIGINT NOT NULL,
        position BIGINT NOT NULL, PRIMARY KEY (user_id, device_id, room))`,
      'CREATE INDEX peeks_of_room ON peeks (room)',
    ]
  },
}
