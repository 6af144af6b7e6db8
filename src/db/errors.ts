/** Another process serves this database. */
export class DatabaseLocked extends Error {
  override readonly name = 'DatabaseLocked'
}

/** The database was migrated by a newer version of the program, which alone knows how to read it. */
export class DatabaseTooNew extends Error {
  override readonly name = 'DatabaseTooNew'
}

/** The database belongs to another program, such as the Dendrite written in Go. */
export class ForeignDatabase extends Error {
  override readonly name = 'ForeignDatabase'
}

/** The database was never migrated. */
export class DatabaseNotMigrated extends Error {
  override readonly name = 'DatabaseNotMigrated'
}

/** A text with a NUL, which no column of PostgreSQL takes, and no row can match. */
export class UnstorableText extends TypeError {
  override readonly name = 'UnstorableText'
}
