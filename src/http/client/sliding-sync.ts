import { type Static, Type } from '@sinclair/typebox'
import { forgetToDevice } from '../../actions/keys/send-to-device.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { ListWish, RoomConfig, StatePattern } from '../../core/sliding-sync.ts'
import { type ExtensionWish, type SlidingRequest, slidingSync as view } from '../../views/sliding/sync.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'
import { SetPresence, whilePresent } from '../while-present.ts'

const ID_LENGTH_MAX = 255
const LISTS_MAX = 100
const SUBSCRIPTIONS_MAX = 1_000
const RANGES_MAX = 20
const PATTERNS_MAX = 200
const NAMES_MAX = 1_000
const TIMELINE_MAX = 100
const TO_DEVICE_MAX = 100

const Id = Type.String({ maxLength: ID_LENGTH_MAX })
const Index = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Names = Type.Optional(Type.Array(Id, { maxItems: NAMES_MAX }))
const Types = Type.Optional(Type.Array(Type.Union([Id, Type.Null()]), { maxItems: NAMES_MAX }))
const Flag = Type.Optional(Type.Boolean())

const CONFIG = {
  timeline_limit: Type.Optional(Type.Integer({ minimum: 0 })),
  required_state: Type.Optional(Type.Array(Type.Tuple([Id, Id]), { maxItems: PATTERNS_MAX })),
}
const Config = Type.Object(CONFIG)
const List = Type.Object({
  ...CONFIG,
  ranges: Type.Optional(Type.Array(Type.Tuple([Index, Index]), { maxItems: RANGES_MAX })),
  filters: Type.Optional(
    Type.Object({
      is_dm: Flag,
      is_encrypted: Flag,
      is_invite: Flag,
      room_types: Types,
      not_room_types: Types,
      tags: Names,
      not_tags: Names,
      spaces: Names,
    }),
  ),
})
const Extension = Type.Optional(Type.Object({ enabled: Flag, lists: Names, rooms: Names }))
const Position = Type.String({ pattern: '^\\d{1,16}$' })
const Body = Type.Object({
  conn_id: Type.Optional(Id),
  lists: Type.Optional(mapOf(List)),
  room_subscriptions: Type.Optional(mapOf(Config)),
  extensions: Type.Optional(
    Type.Object({
      to_device: Type.Optional(
        Type.Object({
          enabled: Flag,
          since: Type.Optional(Position),
          limit: Type.Optional(Type.Integer({ minimum: 1 })),
        }),
      ),
      e2ee: Type.Optional(Type.Object({ enabled: Flag })),
      account_data: Extension,
      receipts: Extension,
      typing: Extension,
    }),
  ),
})

/**
 * MSC4186, "Simplified sliding sync", as Element X asks for it: the newest rooms first, and of each as much as is
 * wanted. The connection lives in the memory of this process; elsewhere and after a restart it begins anew.
 */
export const slidingSync = endpoint({
  method: 'POST',
  path: '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync',
  auth: 'access-token',
  query: Type.Object({
    pos: Type.Optional(Type.String()),
    timeout: Type.Optional(Type.Integer()),
    set_presence: SetPresence,
  }),
  body: Body,
  async handle(app, { user, query, body, signal }) {
    const request = {
      ...wishesOf(user, body),
      pos: query.pos === '' ? undefined : query.pos,
      timeoutMs: query.timeout ?? 0,
      signal,
    }
    const got = request.extensions.toDevice?.since ?? 0
    if (got > 0) await forgetToDevice(app, user, got)
    return whilePresent(app, user.userId, query.set_presence ?? 'online', () => view(app, request))
  },
})

function wishesOf(user: Requester, body: Static<typeof Body>): Omit<SlidingRequest, 'pos' | 'timeoutMs' | 'signal'> {
  const { userId, deviceId } = user
  const { to_device: toDevice, e2ee, account_data: accountData, receipts, typing } = body.extensions ?? {}
  return {
    viewer: user,
    connection: JSON.stringify([userId, deviceId, body.conn_id ?? '']),
    lists: new Map(entriesOf(body.lists, 'lists', LISTS_MAX).map(([name, list]) => [name, listOf(list)])),
    subscriptions: new Map(
      entriesOf(body.room_subscriptions, 'room_subscriptions', SUBSCRIPTIONS_MAX).map(([roomId, config]) => [
        roomId,
        configOf(config),
      ]),
    ),
    extensions: {
      toDevice:
        toDevice?.enabled === true
          ? { since: Number(toDevice.since ?? 0), limit: Math.min(toDevice.limit ?? TO_DEVICE_MAX, TO_DEVICE_MAX) }
          : undefined,
      e2ee: e2ee?.enabled === true,
      accountData: wishOf(accountData),
      receipts: wishOf(receipts),
      typing: wishOf(typing),
    },
  }
}

function entriesOf<T>(map: Readonly<Record<string, T>> | undefined, name: string, max: number): [string, T][] {
  const entries = Object.entries(map ?? {})
  if (entries.length > max) throw new MatrixError('M_INVALID_PARAM', `${name} has more than ${max} entries.`)
  return entries
}

function configOf({ timeline_limit: limit = 0, required_state: state = [] }: Static<typeof Config>): RoomConfig {
  return { timelineLimit: Math.min(limit, TIMELINE_MAX), requiredState: state as StatePattern[] }
}

function listOf(list: Static<typeof List>): ListWish {
  const { filters = {}, ranges } = list
  return {
    ...configOf(list),
    ranges,
    filters: {
      direct: filters.is_dm,
      encrypted: filters.is_encrypted,
      invited: filters.is_invite,
      types: filters.room_types,
      notTypes: filters.not_room_types,
      tags: filters.tags,
      notTags: filters.not_tags,
      spaces: filters.spaces,
    },
  }
}

function wishOf(extension: Static<typeof Extension> | undefined): ExtensionWish | undefined {
  return extension?.enabled === true ? { lists: extension.lists, rooms: extension.rooms } : undefined
}
