import { type PerDialect, perDialect } from '../db/sql.ts'

/** The server in the ids of a column: what stands after the first colon. The column is a name of ours, never input. */
export function serverOf(
  column: 'user_id' | 'c.user_id' | 'm.user_id' | 'e.sender' | 'e.state_key' | 'n.sender',
): PerDialect {
  return perDialect({
    sqlite: `substr(${column}, instr(${column}, ':') + 1)`,
    postgres: `substr(${column}, position(':' in ${column}) + 1)`,
  })
}
