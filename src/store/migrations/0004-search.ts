import type { Dialect } from '../../db/sql.ts'

/**
 * Words of messages, under the numbers of the events, and words of users' names. Both lead to what may fit; who sees
 * it, the tables that they are of decide.
 */
export const search = {
  number: 4,
  name: 'search',
  up: (dialect: Dialect): readonly string[] => [
    ...(dialect === 'sqlite' ? sqliteIndex : postgresIndex),
    dialect === 'sqlite'
      ? `CREATE TABLE user_words (word TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (word, user_id)) WITHOUT ROWID`
      : `CREATE TABLE user_words (word TEXT COLLATE "C" NOT NULL, user_id TEXT COLLATE "C" NOT NULL,
        PRIMARY KEY (word, user_id))`,
  ],
}

/** The words come separated by spaces from a tokeniser of ours; all that FTS5 keeps is which event has which. */
const sqliteIndex = [
  `CREATE VIRTUAL TABLE search_index USING fts5(words, content = '', contentless_delete = 1, detail = none,
    tokenize = 'ascii')`,
]

const postgresIndex = [
  `CREATE TABLE search_index (rowid BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)`,
  `CREATE INDEX search_index_words ON search_index USING GIN (words)`,
]
