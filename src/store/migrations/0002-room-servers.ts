import type { Dialect } from '../../db/sql.ts'

/** Which servers have users in which rooms, from the memberships that are there; later changes keep it up to date. */
export const roomServers = {
  number: 2,
  name: 'room-servers',
  up: (dialect: Dialect): readonly string[] => {
    const colon = dialect === 'postgres' ? "position(':' in user_id)" : "instr(user_id, ':')"
    return [
      `DELETE FROM room_servers`,
      `INSERT INTO room_servers (room, server, from_position, to_position)
        SELECT room, substr(user_id, ${colon} + 1), MIN(position), NULL FROM memberships
        WHERE membership = 'join' GROUP BY 1, 2`,
    ]
  },
}
