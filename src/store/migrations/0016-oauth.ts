import type { Dialect } from '../../db/sql.ts'

/** OAuth 2.0: clients, codes that stand for a user's consent, and which client has a session. */
export const oauth = {
  number: 16,
  name: 'oauth',
  up: (dialect: Dialect): readonly string[] => {
    const [text, bytes] = dialect === 'postgres' ? ['TEXT COLLATE "C"', 'BYTEA'] : ['TEXT', 'BLOB']
    return [
      // metadata: JSON text, of which client_id is the hash.
      `CREATE TABLE oauth_clients (client_id ${text} PRIMARY KEY, metadata ${text} NOT NULL, asked_ts BIGINT NOT NULL)`,
      'CREATE INDEX oauth_clients_asked ON oauth_clients (asked_ts)',
      // family: of the session that the code gave; NULL until then.
      `CREATE TABLE oauth_codes (code_hash ${bytes} PRIMARY KEY, client_id ${text} NOT NULL, user_id ${text} NOT NULL,
        device_id ${text} NOT NULL, scope ${text} NOT NULL, redirect_uri ${text} NOT NULL, challenge ${text} NOT NULL,
        family ${text}, expires_ts BIGINT NOT NULL)`,
      `ALTER TABLE sessions ADD COLUMN client_id ${text}`,
      'CREATE INDEX sessions_client ON sessions (client_id) WHERE client_id IS NOT NULL',
    ]
  },
}
