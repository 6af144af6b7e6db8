import { first } from './0001-first.ts'
import { roomServers } from './0002-room-servers.ts'
import { eventTimes } from './0003-event-times.ts'
import { search } from './0004-search.ts'
import { deviceLists } from './0005-device-lists.ts'
import { dehydratedDevices } from './0006-dehydrated-devices.ts'
import { media } from './0007-media.ts'
import { threepidBindings } from './0008-threepid-bindings.ts'
import { peeks } from './0009-peeks.ts'
import { thumbnails } from './0010-thumbnails.ts'
import { appservices } from './0011-appservices.ts'
import { networkRooms } from './0012-network-rooms.ts'
import { mailPushers } from './0013-mail-pushers.ts'
import { protectedMedia } from './0014-protected-media.ts'
import { presencePositions } from './0015-presence-positions.ts'
import { oauth } from './0016-oauth.ts'
import { expiry } from './0017-expiry.ts'
import { oauthDevices } from './0018-oauth-devices.ts'
import { visibilityChanges } from './0019-visibility-changes.ts'
import { retention } from './0020-retention.ts'
import { receivedTimes } from './0021-received-times.ts'

/** Every migration, in order of its number. Forward only. */
export const MIGRATIONS = [
  first,
  roomServers,
  eventTimes,
  search,
  deviceLists,
  dehydratedDevices,
  media,
  threepidBindings,
  peeks,
  thumbnails,
  appservices,
  networkRooms,
  mailPushers,
  protectedMedia,
  presencePositions,
  oauth,
  expiry,
  oauthDevices,
  visibilityChanges,
  retention,
  receivedTimes,
]
