import type { Dialect } from '../../db/sql.ts'

/**
 * The transaction that an application service is being told, until it has taken it: the same words under the same name,
 * however often it is tried. How far it was told is a cursor.
 */
export const appservices = {
  number: 11,
  name: 'appservices',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE appservice_transactions (appservice_id ${text} PRIMARY KEY, txn_id ${text} NOT NULL,
        body ${text} NOT NULL, messages ${text} NOT NULL, position BIGINT NOT NULL,
        failures BIGINT NOT NULL DEFAULT 0, retry_at BIGINT)`,
    ]
  },
}
