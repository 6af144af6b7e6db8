import type { Dialect } from '../../db/sql.ts'

/** Where users have published addresses as theirs, so that it can be taken back. */
export const threepidBindings = {
  number: 8,
  name: 'threepid-bindings',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE threepid_bindings (user_id ${text} NOT NULL, medium ${text} NOT NULL, address ${text} NOT NULL,
        id_server ${text} NOT NULL, PRIMARY KEY (user_id, medium, address, id_server))`,
    ]
  },
}
