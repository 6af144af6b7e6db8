import type { Dialect } from '../../db/sql.ts'

/**
 * Files that no quarantine takes in, and since when and why an application service does not take the transaction that
 * it is told.
 */
export const protectedMedia = {
  number: 14,
  name: 'protected_media',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      'ALTER TABLE media ADD COLUMN protected BIGINT NOT NULL DEFAULT 0',
      'ALTER TABLE appservice_transactions ADD COLUMN failing_since BIGINT',
      `ALTER TABLE appservice_transactions ADD COLUMN reason ${text}`,
    ]
  },
}
