/** The exit codes of every command; 127 is an unknown command, 130 an interrupt. */
export const EXIT = {
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  changesPending: 10,
  unreachable: 69,
  locked: 75,
  denied: 77,
  config: 78,
  interrupted: 130,
} as const

/** An error for the person at the terminal: one line that says what to do, and the exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: number
  readonly code: string
  readonly suggestion: string | undefined

  constructor(message: string, options: { exit?: number; code?: string; suggestion?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.exit = options.exit ?? EXIT.failed
    this.code = options.code ?? 'FAILED'
    this.suggestion = options.suggestion
  }
}

const BY_NAME: Readonly<Record<string, { exit: number; code: string; suggestion?: string }>> = {
  ConfigError: { exit: EXIT.config, code: 'CONFIG' },
  DatabaseLocked: {
    exit: EXIT.locked,
    code: 'DATABASE_LOCKED',
    suggestion: 'another process uses this database; stop it, or try again later',
  },
  DatabaseTooNew: {
    exit: EXIT.config,
    code: 'DATABASE_TOO_NEW',
    suggestion: 'run the newer version of the program that wrote it',
  },
  ForeignDatabase: {
    exit: EXIT.config,
    code: 'FOREIGN_DATABASE',
    suggestion: 'name an empty database in global.database.connection_string',
  },
  DatabaseNotMigrated: {
    exit: EXIT.config,
    code: 'DATABASE_NOT_MIGRATED',
    suggestion: 'start the server once, or run `dendrite migrate` with the same --dir or --config',
  },
  DatabaseUnavailable: {
    exit: EXIT.unreachable,
    code: 'DATABASE_UNAVAILABLE',
    suggestion: 'check global.database.connection_string and whether the database runs',
  },
  TargetInUse: {
    exit: EXIT.conflict,
    code: 'TARGET_IN_USE',
    suggestion: 'name a file that does not exist, or an empty database',
  },
  UnstorableText: { exit: EXIT.failed, code: 'UNSTORABLE_TEXT' },
  CopyIncomplete: { exit: EXIT.failed, code: 'COPY_INCOMPLETE' },
  WrongServerName: {
    exit: EXIT.config,
    code: 'WRONG_SERVER_NAME',
    suggestion: 'global.server_name must stay what it was when the database was made',
  },
  SigningKeyUnusable: {
    exit: EXIT.config,
    code: 'SIGNING_KEY',
    suggestion: 'restore it from a backup, or make another with `dendrite generate-keys`',
  },
  ExitPromptError: { exit: EXIT.interrupted, code: 'INTERRUPTED' },
}

const BY_SYSTEM_CODE: Readonly<Record<string, { exit: number; suggestion: string }>> = {
  EADDRINUSE: { exit: EXIT.unreachable, suggestion: 'another program listens there; stop it or choose another port' },
  EADDRNOTAVAIL: { exit: EXIT.unreachable, suggestion: 'this machine has no such address' },
  EACCES: { exit: EXIT.denied, suggestion: 'check the owner and the mode of the file or directory' },
  EPERM: { exit: EXIT.denied, suggestion: 'check the owner and the mode of the file or directory' },
  EISDIR: { exit: EXIT.config, suggestion: 'name a file in the configuration' },
  EROFS: { exit: EXIT.denied, suggestion: 'the directory is read-only; choose another one with --dir' },
  SQLITE_CANTOPEN: { exit: EXIT.denied, suggestion: 'check that the directory exists and may be written to' },
  SQLITE_READONLY: { exit: EXIT.denied, suggestion: 'check the owner and the mode of the database file' },
  ENOENT: { exit: EXIT.notFound, suggestion: 'check the path' },
  ERR_DLOPEN_FAILED: { exit: EXIT.failed, suggestion: 'run: npm rebuild better-sqlite3' },
  MODULE_NOT_FOUND: { exit: EXIT.failed, suggestion: 'run: npm ci' },
  ERR_MODULE_NOT_FOUND: { exit: EXIT.failed, suggestion: 'run: npm ci' },
}

/**
 * What a failure means for the caller. Errors of the server are told by their names, so that no command has to load the
 * server to report one. Undefined: not foreseen, a fault of the program.
 */
export function describeFailure(error: Error): CommandError | undefined {
  if (error instanceof CommandError) return error
  const named = Object.hasOwn(BY_NAME, error.name) ? BY_NAME[error.name] : undefined
  if (named !== undefined) return new CommandError(error.message, { ...named, cause: error })
  if (error.name === 'MatrixError') return describeMatrixError(error)
  const { code } = error as NodeJS.ErrnoException
  const bySystem = code !== undefined && Object.hasOwn(BY_SYSTEM_CODE, code) ? BY_SYSTEM_CODE[code] : undefined
  if (code !== undefined && bySystem !== undefined) {
    return new CommandError(firstLine(error.message), { ...bySystem, code, cause: error })
  }
  if (error.message.startsWith('Could not locate the bindings file')) {
    return new CommandError('The native part of better-sqlite3 is missing.', {
      code: 'NATIVE_MODULE_MISSING',
      suggestion: 'run: npm rebuild better-sqlite3',
      cause: error,
    })
  }
  return undefined
}

function describeMatrixError(error: Error): CommandError {
  const { errcode } = error as Error & { errcode: string }
  const exit = errcode === 'M_USER_IN_USE' ? EXIT.conflict : errcode === 'M_NOT_FOUND' ? EXIT.notFound : EXIT.failed
  return new CommandError(error.message, { exit, code: errcode, cause: error })
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
