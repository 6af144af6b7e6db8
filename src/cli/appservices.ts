import { readFileSync, realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { isMap, isSeq, parseDocument, stringify, YAMLSeq } from 'yaml'
import { pingAppservice } from '../actions/ping-appservice.ts'
import { type LoadedConfig, readConfig } from '../config/load.ts'
import { type Registration, readRegistrations } from '../config/registration.ts'
import type { ServerName } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { createAppservices } from '../live/appservices.ts'
import { systemClock, systemRandom, systemTimers } from '../live/time.ts'
import { createAppserviceClient } from '../remote/appservices.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import { writeNewFile } from './files.ts'

const TOKEN_BYTES = 32
const OWNER_ONLY = 0o600
const PERMISSIONS = 0o777

export interface RegistrationWish {
  readonly id: string
  /** null: it wants to hear nothing. */
  readonly url: string | null
  readonly senderLocalpart: string
  readonly users: readonly string[]
  readonly aliases: readonly string[]
  readonly protocols: readonly string[]
  readonly receiveEphemeral: boolean
}

/** A registration with tokens of its own, as YAML. */
export function registrationText(wish: RegistrationWish): string {
  const token = () => systemRandom.bytes(TOKEN_BYTES).toString('hex')
  const exclusive = (regex: string) => ({ exclusive: true, regex })
  return stringify(
    {
      id: wish.id,
      url: wish.url,
      as_token: token(),
      hs_token: token(),
      sender_localpart: wish.senderLocalpart,
      namespaces: { users: wish.users.map(exclusive), aliases: wish.aliases.map(exclusive), rooms: [] },
      rate_limited: false,
      receive_ephemeral: wish.receiveEphemeral,
      ...(wish.protocols.length > 0 && { protocols: wish.protocols }),
    },
    // The server reads YAML 1.1, in which more texts need quotes.
    { version: '1.1', lineWidth: 0 },
  )
}

/** Errors: CommandError with exit code 4 when the file exists and `force` is not set. */
export function writeRegistration(path: string, text: string, force: boolean): void {
  writeNewFile(path, text, { mode: OWNER_ONLY, force })
}

/** The registrations of the configuration. Errors: ConfigError. */
export function registrationsOf({ config, dir }: LoadedConfig): Registration[] {
  return readRegistrations(config.app_service_api.config_files, dir)
}

/**
 * The registration of a file, if the server can have it beside those that it has. Errors: ConfigError; CommandError
 * with exit code 4 when it has it already.
 */
export async function registrationToAdd(loaded: LoadedConfig, file: string): Promise<Registration> {
  const present = registrationsOf(loaded)
  const [added] = readRegistrations([file], process.cwd())
  if (present.some((one) => one.file === added!.file))
    throw new CommandError(`${file} is registered already.`, { exit: EXIT.conflict, code: 'EXISTS' })
  await createAppservices([...present, added!], loaded.config.global.server_name as ServerName)
  return added!
}

/** By its id. Errors: CommandError with exit code 3. */
export function registrationNamed(loaded: LoadedConfig, id: string): Registration {
  const found = registrationsOf(loaded).find((one) => one.id === id)
  if (found !== undefined) return found
  const suggestion = 'see which there are with `dendrite appservice list`'
  throw new CommandError(`No application service has the id ${id}.`, {
    exit: EXIT.notFound,
    code: 'NOT_FOUND',
    suggestion,
  })
}

/** Names one more file in the configuration, which keeps its comments. Errors: CommandError with exit code 78. */
export function addConfigFile(loaded: LoadedConfig, path: string): void {
  const files = loaded.config.app_service_api.config_files
  changeConfigFiles(loaded, [...files, path], (list) => list.add(path))
}

/** Takes a file out of the configuration; the file itself stays. Errors: CommandError with exit code 78. */
export function removeConfigFile(loaded: LoadedConfig, path: string): void {
  const files = loaded.config.app_service_api.config_files
  const isIt = (file: string) => resolve(loaded.dir, file) === path
  changeConfigFiles(
    loaded,
    files.filter((file) => !isIt(file)),
    (list) => {
      for (let index = files.length - 1; index >= 0; index--) if (isIt(files[index]!)) list.delete(index)
    },
  )
}

const CONFIG_FILES = ['app_service_api', 'config_files'] as const

/** Replaces the configuration as a whole, once it is sure that the new one says what it should. */
function changeConfigFiles(loaded: LoadedConfig, expected: readonly string[], change: (list: YAMLSeq) => void): void {
  const origin = loaded.originOf(CONFIG_FILES)
  if (origin !== 'default' && !origin.startsWith('line '))
    throw unchangeable(`${CONFIG_FILES.join('.')} comes from ${origin}`)
  const file = realpathSync(loaded.file)
  const document = parseDocument(readFileSync(file, 'utf8'), { version: '1.1' })
  if (!isSeq(document.getIn(CONFIG_FILES))) {
    if (!isMap(document.get(CONFIG_FILES[0]))) document.set(CONFIG_FILES[0], document.createNode({}))
    document.setIn(CONFIG_FILES, document.createNode([]))
  }
  const list = document.getIn(CONFIG_FILES)
  if (!(list instanceof YAMLSeq)) throw unchangeable(`${CONFIG_FILES.join('.')} is no list of its own`)
  change(list)
  list.flow = false
  const text = document.toString({ lineWidth: 0 })
  const found = readConfig(text, file).config.app_service_api.config_files
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw unchangeable('the list cannot be written')
  writeNewFile(file, text, { mode: statSync(file).mode & PERMISSIONS, force: true })
}

function unchangeable(reason: string): CommandError {
  return new CommandError(`The configuration cannot be changed: ${reason}.`, {
    exit: EXIT.config,
    code: 'CONFIG',
    suggestion: 'name the file in app_service_api.config_files yourself',
  })
}

/**
 * Asks the application service from here, as the server would, whether it hears; resolves with milliseconds. Errors:
 * CommandError with exit code 69 when it cannot be reached, 78 when it has no URL, 1 when it answers with a failure.
 */
export async function ping(loaded: LoadedConfig, id: string): Promise<number> {
  const registration = registrationNamed(loaded, id)
  const { config } = loaded
  const appservices = await createAppservices([registration], config.global.server_name as ServerName)
  const client = createAppserviceClient(config.app_service_api, systemTimers)
  try {
    return await pingAppservice(
      { clock: systemClock, remote: { appservices: client } },
      appservices.byId(id)!,
      undefined,
    )
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    const exit = PING_EXITS[error.errcode] ?? EXIT.failed
    throw new CommandError(error.message, { exit, code: error.errcode, cause: error })
  } finally {
    await client.close()
  }
}

const PING_EXITS: Readonly<Record<string, number>> = {
  M_URL_NOT_SET: EXIT.config,
  M_CONNECTION_FAILED: EXIT.unreachable,
  M_CONNECTION_TIMEOUT: EXIT.unreachable,
}
