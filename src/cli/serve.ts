import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { startFollowers } from '../followers/start.ts'
import { startServer } from '../http/server.ts'
import { systemClock, systemTimers } from '../live/time.ts'
import { openApp, readSigningKey } from '../open-app.ts'
import { TASK_KINDS } from '../tasks/kinds.ts'
import { startTasks } from '../tasks/run.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import { prepareFirstStart } from './first-start.ts'
import { type ListenFlags, listenOptions } from './listen-options.ts'
import { openLog } from './log.ts'
import { migrateToLatest } from './migrations.ts'
import { tidyMemory } from './tidy-memory.ts'

/** A graceful stop that takes longer ends in a hard one. */
const STOP_WITHIN_MS = 30_000
const DEFAULT_SERVER_NAME = 'localhost'

export interface ServeFlags extends ListenFlags {
  readonly config?: string | undefined
  readonly dir?: string | undefined
  readonly 'server-name'?: string | undefined
  readonly 'really-enable-open-registration': boolean
  readonly migrate: boolean
  readonly 'log-level'?: string | undefined
  readonly 'log-format': 'auto' | 'json' | 'pretty'
}

interface Program {
  /** Directory of the package. */
  readonly root: string
  readonly version: string
  readonly note: (line: string) => void
}

/** Runs the server until a signal ends the process. Errors: whatever keeps it from starting. */
export async function serve(flags: ServeFlags, program: Program): Promise<void> {
  const startedAt = systemClock.monotonic()
  const loaded = await loadOrCreate(flags, program)
  const { config, dir } = loaded
  const log = await openLog(config, { level: flags['log-level'], format: flags['log-format'], dir })
  for (const warning of loaded.warnings) log.warn(warning)
  checkRegistration(config, flags['really-enable-open-registration'])
  await checkKeyFile(resolve(dir, config.global.private_key))
  const listen = listenOptions(flags, config, dir)
  if (flags.migrate && config.global.database.auto_migrate) await migrateToLatest(config, dir, log)
  const templates = join(program.root, 'templates')
  const thumbnailer = join(program.root, 'dist', 'thumbnail-main.cjs')
  const stateResolver = join(program.root, 'dist', 'state-resolver-main.cjs')
  const app = await openApp({ config, dir, log, templates, thumbnailer, stateResolver, exclusive: true })
  const server = await startServer(app, listen).catch(async (error) => {
    await app.close()
    throw error
  })
  const followers = await startFollowers(app)
  const tasks = await startTasks(app, TASK_KINDS)
  const tookMs = Math.round(systemClock.monotonic() - startedAt)
  log.info(
    { version: program.version, node: process.version, server_name: config.global.server_name },
    `listening on ${server.addresses.join(', ')} after ${tookMs} ms`,
  )
  const forgetTidying = tidyMemory(systemTimers)
  stopOnSignal(log, async () => {
    forgetTidying()
    await server.stop()
    await followers.stop()
    await tasks.stop()
    await app.close()
  })
}

async function loadOrCreate(flags: ServeFlags, program: Program): Promise<LoadedConfig> {
  const wanted = { file: flags.config, dir: flags.dir }
  const found = loadConfig(wanted)
  if (found !== undefined) return found
  const dir = resolve(flags.dir ?? '.')
  const serverName = flags['server-name'] ?? DEFAULT_SERVER_NAME
  if (existsSync(join(dir, 'dendrite.db'))) {
    throw new CommandError(`${dir} holds a database but no dendrite.yaml.`, {
      exit: EXIT.config,
      code: 'NO_CONFIG',
      suggestion: 'restore the configuration, or choose an empty directory with --dir',
    })
  }
  program.note('There is no configuration: setting up a new server.')
  await prepareFirstStart(dir, { root: program.root, serverName, note: program.note })
  program.note(`Next: make an account with \`dendrite create-account --dir ${dir} --username NAME --admin\`.`)
  program.note(`Before federating: set global.server_name to your domain and start with an empty database.`)
  const created = loadConfig({ dir })
  if (created === undefined) throw new Error(`${dir} lost its configuration`)
  return created
}

/** As in the Go Dendrite: neither the configuration nor the flag alone opens a server to everybody. */
function checkRegistration(config: Config, really: boolean): void {
  const { registration_disabled, registration_requires_token, enable_registration_captcha } = config.client_api
  if (registration_disabled || registration_requires_token || enable_registration_captcha || really) return
  throw new CommandError('The configuration lets anybody register, without captcha or token.', {
    exit: EXIT.config,
    code: 'OPEN_REGISTRATION',
    suggestion: 'set client_api.registration_disabled, or start with --really-enable-open-registration',
  })
}

/** The group may: keys are handed to a service that way. */
const ANYBODY = 0o007

/** Before the database is touched. */
async function checkKeyFile(path: string): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) {
    throw new CommandError(`The signing key ${path} is missing.`, {
      exit: EXIT.config,
      code: 'NO_SIGNING_KEY',
      suggestion: `make one with \`dendrite generate-keys --private-key ${path}\``,
    })
  }
  await readSigningKey(path)
  if (process.platform === 'win32' || (stat.mode & ANYBODY) === 0) return
  throw new CommandError(`Every user of this machine may use the signing key ${path}.`, {
    exit: EXIT.denied,
    code: 'KEY_READABLE',
    suggestion: `run: chmod 600 ${path}`,
  })
}

function stopOnSignal(log: Logger, stop: () => Promise<void>): void {
  closeWithGrace(
    {
      delay: STOP_WITHIN_MS,
      logger: false,
      skip: ['beforeExit'],
      onSecondSignal: (signal) => log.warn(`second ${signal}: stopping at once`),
      onTimeout: () => log.error('the stop took too long: stopping at once'),
    },
    async ({ signal, err }) => {
      if (err === undefined) log.info(`${signal}: stopping`)
      else log.fatal({ err }, 'a fault of the program: stopping')
      await stop()
      if (err === undefined) log.info('stopped')
      else process.exitCode = EXIT.failed
    },
  )
}
