import type { Dialect } from '../../db/sql.ts'

/** Rooms in the directories that application services keep of the networks that they bridge. */
export const networkRooms = {
  number: 12,
  name: 'network_rooms',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE network_rooms (network ${text} NOT NULL, room BIGINT NOT NULL, PRIMARY KEY (network, room))`,
      'CREATE INDEX network_rooms_of_room ON network_rooms (room)',
    ]
  },
}
