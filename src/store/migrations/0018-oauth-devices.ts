import type { Dialect } from '../../db/sql.ts'

/** Devices without a browser that wait for a user to let them in from another one (RFC 8628). */
export const oauthDevices = {
  number: 18,
  name: 'oauth_devices',
  up: (dialect: Dialect): readonly string[] => {
    const [text, bytes] = dialect === 'postgres' ? ['TEXT COLLATE "C"', 'BYTEA'] : ['TEXT', 'BLOB']
    return [
      // answer: 'allow' or 'deny'; NULL: the user has not answered.
      `CREATE TABLE oauth_device_codes (code_hash ${bytes} PRIMARY KEY, user_code ${text} NOT NULL UNIQUE,
        client_id ${text} NOT NULL, device_id ${text} NOT NULL, scope ${text} NOT NULL, answer ${text},
        polled_ts BIGINT NOT NULL, expires_ts BIGINT NOT NULL)`,
      'CREATE INDEX oauth_device_codes_expires ON oauth_device_codes (expires_ts)',
    ]
  },
}
