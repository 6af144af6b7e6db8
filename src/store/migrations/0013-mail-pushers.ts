import type { Dialect } from '../../db/sql.ts'

/** What a pusher that sends mail remembers between two of them, as JSON text (`followers/push-by-mail.ts`). */
export const mailPushers = {
  number: 13,
  name: 'mail_pushers',
  up: (dialect: Dialect): readonly string[] => [
    `ALTER TABLE pushers ADD COLUMN digest ${dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'}`,
  ],
}
