import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { claimDatabase } from './actions/claim-database.ts'
import { signatureHolds } from './actions/federation/check-signature.ts'
import { admitSenders } from './actions/memberships/admit-senders.ts'
import type { App } from './app.ts'
import type { Blobs, BlobsWorld } from './blobs/blobs.ts'
import { createBucket } from './blobs/bucket.ts'
import { createDirectory } from './blobs/directory.ts'
import { createS3 } from './blobs/s3.ts'
import { createThumbnailer } from './blobs/thumbnailer.ts'
import { readRegistrations } from './config/registration.ts'
import type { Config } from './config/schema.ts'
import type { ServerName } from './core/ids.ts'
import { readKeyPem, type SigningKey } from './core/keys.ts'
import type { OldKey } from './core/server-keys.ts'
import type { Database } from './db/database.ts'
import { openDatabase } from './db/open.ts'
import type { Time } from './db/sqlite.ts'
import { createAlarm } from './live/alarm.ts'
import { createAppserviceSigns } from './live/appservice-signs.ts'
import { createAppservices } from './live/appservices.ts'
import { createCatchingUp } from './live/catching-up.ts'
import { createDestinations } from './live/destinations.ts'
import { createLogTail, type LogTail } from './live/log-tail.ts'
import { createLoopShare } from './live/loop-share.ts'
import { createPasswordHasher } from './live/password-hasher.ts'
import { createPlaces } from './live/places.ts'
import { createPresenceWatch } from './live/presence.ts'
import { createPreviews } from './live/previews.ts'
import { createProtocolCache } from './live/protocols.ts'
import { createQueues } from './live/queues.ts'
import { createRateLimiter, type RateLimiter } from './live/rate-limit.ts'
import { createRemoteSpaces } from './live/remote-spaces.ts'
import { MEMBERS_KNOWN } from './live/room-members.ts'
import { createRoomTips, ROOM_WANTED } from './live/room-tip.ts'
import { createSentMembers } from './live/sent-members.ts'
import { createServerKeyCache } from './live/server-keys.ts'
import { createSharing } from './live/sharing.ts'
import { createSightings } from './live/sightings.ts'
import { createSlidingConnections } from './live/sliding-connections.ts'
import { createStateCache } from './live/state-cache.ts'
import { createStateResolver } from './live/state-resolver.ts'
import { createTemplates } from './live/templates.ts'
import { type Clock, systemClock, systemRandom, systemTimers, type Timers } from './live/time.ts'
import { createTurns } from './live/turns.ts'
import { createTyping, hearTyping } from './live/typing.ts'
import { createUnderway } from './live/underway.ts'
import { createUnreadCountsCache } from './live/unread-counts.ts'
import { createUploads } from './live/uploads.ts'
import { createWaiters, type SeenRow } from './live/waiters.ts'
import { createAppserviceClient } from './remote/appservices.ts'
import { createIdentityProviders } from './remote/identity-providers.ts'
import { createMailer } from './remote/mailer.ts'
import { createNames } from './remote/names.ts'
import { ANYWHERE, createNetworks } from './remote/networks.ts'
import { createOutbound } from './remote/outbound.ts'
import { createTransport, type Transport } from './remote/transport.ts'
import { DEVICE_LIST } from './store/device-lists.ts'
import { hashIsKnown } from './store/media.ts'
import { roomsOfUsers } from './store/presence.ts'
import { STALE_LIST } from './store/remote-device-lists.ts'
import { TASK } from './store/tasks.ts'

export interface OpenOptions {
  readonly config: Config
  /** Relative paths of the configuration start here. */
  readonly dir: string
  readonly log: Logger
  /** Where pages and mails are; only a server needs them. */
  readonly templates?: string
  /** The program that makes thumbnails; without it images are served as they are. */
  readonly thumbnailer?: string
  /** The program that resolves large conflicts of state beside the loop; without it the loop has to. */
  readonly stateResolver?: string
  /** `serve` keeps other servers off the database; commands run beside it. */
  readonly exclusive: boolean
  /** As in `DatabaseOptions`: only for the test that shows what it loses. */
  readonly unsafeNoSync?: boolean
  /** How other servers are reached, where it is not the network. */
  readonly transport?: Transport
  /** Time, chance and what runs beside the loop, where they are not the machine's own: a simulation holds them. */
  readonly world?: World
  /** The database, where it is opened already; it is closed with the app. */
  readonly database?: Database
}

export type World = Pick<App, 'clock' | 'random' | 'timers' | 'signatureHolds'>

const SYSTEM: World = { clock: systemClock, random: systemRandom, timers: systemTimers, signatureHolds }

export type OpenedApp = App & { close(): Promise<void> }

/** The file of the signing key holds none. Exit code 78. */
export class SigningKeyUnusable extends Error {
  override readonly name = 'SigningKeyUnusable'
}

const BOOT_BYTES = 6
const PREVIEWS_AT_ONCE = 8
const PREVIEWS_WAITING = 64
/** Nobody's mailbox is filled by others: five mails in a row, then one in ten minutes. */
const MAILS_TO_AN_ADDRESS = { enabled: true, threshold: 5, cooloffMs: 600_000, exemptUserIds: [] }

/**
 * The composition root: the only place that constructs things. Errors: those of `openDatabase`, WrongServerName,
 * SigningKeyUnusable, and of reading the key; ConfigError for the registration of an application service.
 */
export async function openApp(options: OpenOptions): Promise<OpenedApp> {
  const { config, dir, log } = options
  const world = options.world ?? SYSTEM
  const { clock, random, timers } = world
  const keys = await readKeys(config, dir)
  const serverName = config.global.server_name as ServerName
  const registrations = readRegistrations(config.app_service_api.config_files, dir)
  const appservices = await createAppservices(registrations, serverName)
  const db = await openClaimed(options, { clock, timers })
  const boot = random.bytes(BOOT_BYTES).toString('hex')
  const hearing = hearingOf(db, timers)
  const { waiters } = hearing
  const stop = followLog(db, hearing.logTail, (rows, position) => hear(db, hearing, boot, rows, position), log)
  waiters.heard([], db.safePosition(), false)
  const typing = createTyping(timers, (room) => waiters.stir(room))
  const ignore = db.onTold((text) => hearTyping(typing, boot, text))
  const remote = remoteOf(options, clock, timers)
  const turns = turnsOf(log)
  const beside = besideOf(options, timers)
  const app: OpenedApp = {
    config,
    serverName,
    log,
    db,
    ...keys,
    ...world,
    appservices,
    templates: createTemplates(resolve(options.templates ?? 'templates')),
    blobs: blobsOf(options, remote.storage, { ...world, isKnown: (hash) => hashIsKnown(db, hash) }),
    ...beside,
    remote,
    live: {
      ...hearing,
      typing,
      loopShare: createLoopShare(clock),
      rateLimiter: rateLimiterOf(config, clock),
      mailLimiter: createRateLimiter(MAILS_TO_AN_ADDRESS, clock),
      passwordHasher: createPasswordHasher(config.user_api.password_hashing === 'cheap'),
      ...turns,
      ...remembered(),
      remoteSpaces: createRemoteSpaces(clock),
      protocols: createProtocolCache(clock),
      previews: createPreviews(clock),
      previewPlaces: createPlaces(PREVIEWS_AT_ONCE, PREVIEWS_WAITING, 'Too many previews at once.'),
      destinations: createDestinations(),
      searchIndex: createCatchingUp(timers),
      boot,
    },
    async close() {
      ignore()
      await stop()
      const ended = turns.completing.close()
      await turns.inbox.idle()
      await Promise.all([beside.thumbnailer.close(), beside.stateResolver.close()])
      const { strangers, pushGateways, services, storage, appservices: clients } = remote
      await Promise.all([strangers, pushGateways, services, storage, clients].map((outbound) => outbound.close()))
      await ended
      await db.close()
    },
  }
  await admitSenders(app).catch(async (error) => {
    await app.close()
    throw error
  })
  // On PostgreSQL other processes may be amid uploads: there a task clears away what is old.
  if (options.exclusive && db.dialect === 'sqlite')
    await app.blobs.sweep('alone').catch((error: unknown) => log.warn({ err: error }, 'uploads cannot be cleared away'))
  return app
}

/** What works beside the loop. */
function besideOf(
  { config, log, ...scripts }: OpenOptions,
  timers: Timers,
): Pick<App, 'thumbnailer' | 'stateResolver'> {
  const childrenMax = config.media_api.max_thumbnail_generators
  return {
    thumbnailer: createThumbnailer({ script: scripts.thumbnailer, childrenMax, timers }),
    stateResolver: createStateResolver({ script: scripts.stateResolver, timers, log }),
  }
}

/** What was read or sent lately, and requests that others may share. */
function remembered() {
  return {
    sentMembers: createSentMembers(),
    sightings: createSightings(),
    uploads: createUploads(),
    appserviceSigns: createAppserviceSigns(),
    slidingConnections: createSlidingConnections(),
    unreadCounts: createUnreadCountsCache(),
    serverKeys: createServerKeyCache(),
    syncs: createSharing(),
    sending: createUnderway(),
    preparing: createUnderway(),
    keyClaims: createQueues(),
    reactions: createQueues(),
    deviceLists: createUnderway(),
    appserviceQueries: createUnderway(),
    mediaFetches: createUnderway(),
    thumbnails: createUnderway(),
    previewing: createUnderway(),
  } satisfies Partial<App['live']>
}

type Hearing = Pick<
  App['live'],
  'logTail' | 'waiters' | 'roomTips' | 'states' | 'presence' | 'taskAlarm' | 'staleListAlarm'
>

/** What hears of new rows in the log. */
function hearingOf(db: Database, timers: Timers): Hearing {
  return {
    logTail: createLogTail(db),
    waiters: createWaiters(timers),
    roomTips: createRoomTips(timers),
    states: createStateCache(),
    presence: createPresenceWatch(timers),
    taskAlarm: createAlarm(),
    staleListAlarm: createAlarm(),
  }
}

async function hear(db: Database, to: Hearing, boot: string, rows: readonly SeenRow[], position: number) {
  for (const row of rows) {
    if (row.kind === ROOM_WANTED && row.subject !== boot) to.roomTips.giveWay(row.room ?? 0)
    if (row.kind === MEMBERS_KNOWN) to.states.clear()
    if (row.kind === 'presence') to.presence.forget(row.subject ?? '')
    if (row.kind === TASK) to.taskAlarm.ring()
    if (row.kind === STALE_LIST) to.staleListAlarm.ring()
  }
  to.waiters.heard(await withAudience(db, rows), position, true)
}

/** Work in rooms that goes on behind the requests. */
function turnsOf(log: Logger): Pick<App['live'], 'inbox' | 'completing'> {
  const turns = (message: string) => createTurns((room, error) => log.error({ room, err: error }, message))
  return { inbox: turns('events of other servers wait'), completing: turns('members of a room wait') }
}

async function openClaimed(
  { config, dir, exclusive, unsafeNoSync = false, database }: OpenOptions,
  time: Time,
): Promise<Database> {
  const { connection_string: connectionString, max_open_conns: maxOpenConnections } = config.global.database
  const options = { connectionString, maxOpenConnections, exclusive, unsafeNoSync }
  const db = database ?? (await openDatabase(options, dir, time))
  try {
    await claimDatabase(db, config.global.server_name)
    return db
  } catch (error) {
    await db.close()
    throw error
  }
}

/** Errors: SigningKeyUnusable, and those of reading. */
export async function readSigningKey(path: string, use: 'current' | 'old' = 'current'): Promise<SigningKey> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new SigningKeyUnusable(`The signing key ${path} is missing.`, { cause: error })
  })
  try {
    return readKeyPem(text, use)
  } catch (error) {
    throw new SigningKeyUnusable(`The signing key ${path}: ${(error as Error).message}`, { cause: error })
  }
}

function rateLimiterOf(config: Config, clock: Clock): RateLimiter {
  const { enabled, threshold, cooloff_ms: cooloffMs, exempt_user_ids: exemptUserIds } = config.client_api.rate_limiting
  return createRateLimiter({ enabled, threshold, cooloffMs, exemptUserIds }, clock)
}

/** Keys that were replaced are read from their files, or told of. Errors: those of `readSigningKey`. */
async function readKeys(config: Config, dir: string): Promise<Pick<App, 'key' | 'oldKeys'>> {
  const oldKeys: OldKey[] = []
  for (const old of config.global.old_private_keys) {
    const { private_key: path, key_id: keyId, public_key: publicKey, expired_at: expiredTs } = old
    if (path !== undefined) oldKeys.push(replaced(await readSigningKey(resolve(dir, path), 'old'), expiredTs))
    else if (keyId !== undefined && publicKey !== undefined) oldKeys.push({ keyId, publicKey, expiredTs })
    else throw new SigningKeyUnusable('global.old_private_keys has a key without private_key, or key_id and public_key')
  }
  return { key: await readSigningKey(resolve(dir, config.global.private_key)), oldKeys }
}

function replaced({ keyId, publicKey }: SigningKey, expiredTs: number): OldKey {
  return { keyId, publicKey, expiredTs }
}

function remoteOf({ config, transport }: OpenOptions, clock: Clock, timers: Timers): App['remote'] {
  const { deny_networks, allow_networks, disable_tls_validation, dns_servers } = config.federation_api
  const networks = createNetworks(deny_networks, allow_networks)
  const names = createNames(dns_servers)
  const strangers = createOutbound({ networks, timers, names, verifyTls: !disable_tls_validation })
  const pushVerifyTls = !config.user_api.push_gateway_disable_tls_validation
  const services = createOutbound({ networks: ANYWHERE, timers, verifyTls: true })
  return {
    transport: transport ?? createTransport(strangers, clock, names.srv),
    strangers,
    pushGateways: createOutbound({ networks, timers, names, verifyTls: pushVerifyTls }),
    services,
    storage: createOutbound({ networks: ANYWHERE, timers, verifyTls: true, connectionsPerHost: STORAGE_CONNECTIONS }),
    appservices: createAppserviceClient(config.app_service_api, timers),
    identityProviders: createIdentityProviders(config, services),
    mailer: createMailer(config.client_api.email, timers),
  }
}

/** Each holds a file that is on its way. */
const STORAGE_CONNECTIONS = 128

function blobsOf({ config, dir }: OpenOptions, storage: App['remote']['storage'], world: BlobsWorld): Blobs {
  const { s3, base_path: basePath } = config.media_api
  const root = resolve(dir, basePath)
  if (s3.endpoint === '') return createDirectory(root, world)
  return createS3(createBucket(s3, storage), { prefix: s3.prefix, spoolDir: resolve(root, 'arriving') }, world)
}

/** Rows read at once when the log has grown. */
const MAX_ROWS = 1_000

/** Hands on the new rows of the log, one read at a time. Returns the way to stop, which waits for the last read. */
function followLog(
  db: Database,
  tail: LogTail,
  hear: (rows: readonly SeenRow[], position: number) => Promise<void>,
  log: Logger,
): () => Promise<void> {
  let heard = db.safePosition()
  let reading = false
  let read = Promise.resolve()

  async function readOn(): Promise<void> {
    reading = true
    try {
      for (let to = db.safePosition(); heard < to; to = db.safePosition()) {
        const rows = await tail.rows(heard, to, MAX_ROWS)
        heard = rows.length === MAX_ROWS ? rows[rows.length - 1]!.position : to
        const seen = rows.map((row) => ({ user: row.user_id, device: row.device_id, ...row }))
        await hear(seen, heard)
      }
    } catch (error) {
      log.warn({ err: error }, 'the log could not be read; long polls wait for the next notice')
    } finally {
      reading = false
    }
  }

  const ignore = db.onGrown(() => {
    if (!reading) read = readOn()
  })
  return async () => {
    ignore()
    await read
  }
}

/** Kinds of rows that concern whoever shares a room with the user that is their `subject`. */
const TOLD_TO_ALL: ReadonlySet<string> = new Set(['presence', DEVICE_LIST])

/** Who shares a room with a user, the log does not say. */
async function withAudience(db: Database, rows: readonly SeenRow[]): Promise<readonly SeenRow[]> {
  const subjectOf = (row: SeenRow) => (TOLD_TO_ALL.has(row.kind) && row.user == null ? (row.subject ?? '') : undefined)
  const userIds = rows.flatMap((row) => subjectOf(row) ?? [])
  if (userIds.length === 0) return rows
  const audiences = new Map<string, Set<number>>(userIds.map((userId) => [userId, new Set()]))
  for (const { user_id: userId, room } of await roomsOfUsers(db, userIds)) audiences.get(userId)?.add(room)
  return rows.map((row) => {
    const subject = subjectOf(row)
    const audience = subject === undefined ? undefined : audiences.get(subject)
    return subject === undefined || audience === undefined ? row : { ...row, user: subject, audience }
  })
}
