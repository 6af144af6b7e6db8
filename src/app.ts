import type { Logger } from 'pino'
import type { Blobs } from './blobs/blobs.ts'
import type { Thumbnailer } from './blobs/thumbnailer.ts'
import type { Config } from './config/schema.ts'
import type { EventId, ServerName } from './core/ids.ts'
import type { JsonObject } from './core/json.ts'
import type { SignatureCheck, SigningKey } from './core/keys.ts'
import type { LongText } from './core/long-text.ts'
import type { OldKey } from './core/server-keys.ts'
import type { Database } from './db/database.ts'
import type { Alarm } from './live/alarm.ts'
import type { AppserviceSigns } from './live/appservice-signs.ts'
import type { Appservices } from './live/appservices.ts'
import type { CatchingUp } from './live/catching-up.ts'
import type { Destinations } from './live/destinations.ts'
import type { LogTail } from './live/log-tail.ts'
import type { LoopShare } from './live/loop-share.ts'
import type { PasswordHasher } from './live/password-hasher.ts'
import type { Places } from './live/places.ts'
import type { PresenceWatch } from './live/presence.ts'
import type { Previews } from './live/previews.ts'
import type { ProtocolCache } from './live/protocols.ts'
import type { Queues } from './live/queues.ts'
import type { RateLimiter } from './live/rate-limit.ts'
import type { RemoteSpaces } from './live/remote-spaces.ts'
import type { RoomTips } from './live/room-tip.ts'
import type { SentMembers } from './live/sent-members.ts'
import type { ServerKeyCache } from './live/server-keys.ts'
import type { Sharing } from './live/sharing.ts'
import type { Sightings } from './live/sightings.ts'
import type { SlidingConnections } from './live/sliding-connections.ts'
import type { StateCache } from './live/state-cache.ts'
import type { StateResolver } from './live/state-resolver.ts'
import type { Templates } from './live/templates.ts'
import type { Clock, Random, Timers } from './live/time.ts'
import type { Turns } from './live/turns.ts'
import type { Typing } from './live/typing.ts'
import type { Underway } from './live/underway.ts'
import type { UnreadCountsCache } from './live/unread-counts.ts'
import type { Uploads } from './live/uploads.ts'
import type { Waiters } from './live/waiters.ts'
import type { AppserviceClient } from './remote/appservices.ts'
import type { IdentityProviders } from './remote/identity-providers.ts'
import type { Mailer } from './remote/mailer.ts'
import type { Outbound } from './remote/outbound.ts'
import type { Transport } from './remote/transport.ts'
import type { MediaRow } from './store/media.ts'
import type { ThumbnailContent } from './store/thumbnails.ts'

/** The context handed to everything. Only `open-app.ts` makes one. */
export interface App {
  readonly config: Config
  readonly serverName: ServerName
  readonly log: Logger
  readonly db: Database
  readonly key: SigningKey
  /** Those that signed before this one. */
  readonly oldKeys: readonly OldKey[]
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  /** Beside the loop, so that many together do not hold it up. */
  readonly signatureHolds: (check: SignatureCheck) => Promise<boolean>
  readonly templates: Templates
  /** Bridges and bots that have registered. */
  readonly appservices: Appservices
  /** The bytes of media. */
  readonly blobs: Blobs
  readonly thumbnailer: Thumbnailer
  /** Conflicts of state that would hold the loop. */
  readonly stateResolver: StateResolver
  readonly remote: {
    /** The other servers. */
    readonly transport: Transport
    /** The services whose users log in here by single sign-on. */
    readonly identityProviders: IdentityProviders
    /** Machines that others have named: only those in networks that are allowed. */
    readonly strangers: Outbound
    /** Push gateways, which clients have named. */
    readonly pushGateways: Outbound
    readonly appservices: AppserviceClient
    /** Machines that the configuration has named, wherever they are. */
    readonly services: Outbound
    /** The bucket of media, if they lie in one. */
    readonly storage: Outbound
    /** Undefined where no mail server is configured. */
    readonly mailer: Mailer | undefined
  }
  readonly live: {
    readonly roomTips: RoomTips
    readonly logTail: LogTail
    /** Of those who make events. */
    readonly loopShare: LoopShare
    readonly states: StateCache
    readonly waiters: Waiters
    readonly typing: Typing
    readonly presence: PresenceWatch
    readonly sentMembers: SentMembers
    readonly sightings: Sightings
    readonly slidingConnections: SlidingConnections
    readonly unreadCounts: UnreadCountsCache
    /** Equal syncs of one device at the same time. */
    readonly syncs: Sharing<LongText>
    /** Client transactions that are being sent. */
    readonly sending: Underway<EventId>
    /** What server notices need, being made: the sender, a user's room. */
    readonly preparing: Underway<string>
    readonly rateLimiter: RateLimiter
    /** How much mail one address gets. */
    readonly mailLimiter: RateLimiter
    readonly passwordHasher: PasswordHasher
    readonly serverKeys: ServerKeyCache
    /** What other servers told of spaces, by room id. */
    readonly remoteSpaces: RemoteSpaces
    /** Networks that application services bridge. */
    readonly protocols: ProtocolCache
    /** PDUs on their way into rooms, by room id. */
    readonly inbox: Turns
    /** Who let us into a room whose members are still on their way, and when, in monotonic milliseconds. */
    /** Members of rooms that were joined without them, on their way, by room id. */
    readonly completing: Turns
    readonly destinations: Destinations
    readonly uploads: Uploads
    readonly appserviceSigns: AppserviceSigns
    /** How far the index of messages is. */
    readonly searchIndex: CatchingUp
    /** Rings when the log tells of a new task. */
    readonly taskAlarm: Alarm
    /** Claims of one-time keys, by device. */
    readonly keyClaims: Queues
    /** Reactions, by sender and event. */
    readonly reactions: Queues
    /** Files that are being fetched from other servers. */
    readonly mediaFetches: Underway<MediaRow>
    readonly previews: Previews
    /** Previews that are being made, by address, and how many at a time. */
    readonly previewing: Underway<JsonObject>
    readonly previewPlaces: Places
    /** Thumbnails that are being made. */
    readonly thumbnails: Underway<ThumbnailContent>
    /** Device lists of other servers that are being read, by user. */
    readonly deviceLists: Underway<void>
    /** Users and aliases that application services are asked for. */
    readonly appserviceQueries: Underway<boolean>
    /** Rings when a device list of another server has to be read afresh. */
    readonly staleListAlarm: Alarm
    /** Changes with every start: a token of an earlier one is told from ours. */
    readonly boot: string
  }
}
