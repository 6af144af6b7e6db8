import type { Dialect } from '../../db/sql.ts'

/** Files that were uploaded here, and those of other servers that somebody here asked for. */
export const media = {
  number: 7,
  name: 'media',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE media (origin ${text} NOT NULL, media_id ${text} NOT NULL, uploader ${text},
        created_ts BIGINT NOT NULL, expires_ts BIGINT, uploaded_ts BIGINT, content_type ${text}, file_name ${text},
        bytes BIGINT, hash ${text}, last_access_ts BIGINT NOT NULL, quarantined_by ${text},
        PRIMARY KEY (origin, media_id))`,
      `CREATE INDEX media_hash ON media (hash)`,
      `CREATE INDEX media_uploader ON media (uploader, created_ts)`,
      `CREATE INDEX media_access ON media (last_access_ts)`,
    ]
  },
}
