import type { Dialect } from '../../db/sql.ts'

/** Thumbnails, by the content they are made of. */
export const thumbnails = {
  number: 10,
  name: 'thumbnails',
  up: (dialect: Dialect): readonly string[] => {
    const text = dialect === 'postgres' ? 'TEXT COLLATE "C"' : 'TEXT'
    return [
      `CREATE TABLE thumbnails (source ${text} NOT NULL, variant ${text} NOT NULL, content_type ${text} NOT NULL,
        bytes BIGINT NOT NULL, hash ${text} NOT NULL, created_ts BIGINT NOT NULL, PRIMARY KEY (source, variant))`,
      'CREATE INDEX thumbnails_hash ON thumbnails (hash)',
    ]
  },
}
