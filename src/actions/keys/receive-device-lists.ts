import type { App } from '../../app.ts'
import { readCrossSigningKey } from '../../core/cross-signing.ts'
import { isHistoricalUserId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { canonicalJson, type JsonObject, type JsonValue, own, parseJson } from '../../core/json.ts'
import {
  REMOTE_DEVICES_MAX,
  type RemoteDevice,
  readRemoteCrossSigning,
  readRemoteDevice,
  readStreamId,
} from '../../core/remote-keys.ts'
import type { Batch } from '../../db/database.ts'
import { logPosition } from '../../db/sql.ts'
import { crossSigningKeysOf, deleteCrossSigningKeys, storeCrossSigningKey } from '../../store/cross-signing.ts'
import { deleteDeviceKeys, deviceKeysOf, storeDeviceKeys } from '../../store/device-keys.ts'
import {
  followedLists,
  markListStale,
  moveRemoteList,
  type RemoteList,
  remoteListIsStill,
  STALE_LIST,
  sharingWithServer,
} from '../../store/remote-device-lists.ts'
import { write } from '../write.ts'
import { deviceListChanges, devicesChanged } from './device-list-changes.ts'

/** Tries when several changes of a list come in at the same time. */
const TRIES_MAX = 5

/**
 * Takes in `m.device_list_update` (Server-Server API, "Device Management"): what follows upon what is known goes into
 * our copy of the list. When a change was missed, or the list is not known yet, it has to be read as a whole.
 */
export async function receiveDeviceListUpdate(app: App, origin: ServerName, content: JsonObject): Promise<void> {
  const userId = await wantedUser(app, origin, content)
  const streamId = readStreamId(own(content, 'stream_id'))
  const device = userId === undefined ? undefined : readRemoteDevice(content, userId)
  if (userId === undefined || streamId === undefined || device === undefined) return
  const before = own(content, 'prev_id')
  const previous = Array.isArray(before) ? (before as readonly JsonValue[]) : []
  await change(app, userId, async (list) => {
    if (list.stream_id === streamId) return undefined
    if (previous.length === 0 || previous.some((id) => id !== list.stream_id)) return 'missed'
    return updateDevice(app, userId, device, own(content, 'deleted') === true, list, streamId)
  })
}

/** Takes in `m.signing_key_update`: the cross-signing keys of a user. A self-signing key has to be signed. */
export async function receiveSigningKeyUpdate(app: App, origin: ServerName, content: JsonObject): Promise<void> {
  const userId = await wantedUser(app, origin, content)
  if (userId === undefined) return
  await change(app, userId, async (list) => {
    const rows = await crossSigningKeysOf(app.db, [userId])
    const old = rows.find((row) => row.usage === 'master')
    const known =
      old === undefined ? undefined : readCrossSigningKey(parseJson(old.key) as JsonObject, userId, 'master')
    const master = typeof known === 'string' ? undefined : known
    const keys = readRemoteCrossSigning(own(content, 'master_key'), own(content, 'self_signing_key'), userId, master)
    if (keys.length === 0) return undefined
    const isNew = keys.some((key) => key.usage === 'master' && key.publicKey !== master?.publicKey)
    const changes = deviceListChanges([{ userId, deviceId: null, told: null }], 0)
    return {
      guards: [remoteListIsStill(userId, list)],
      writes: [
        ...(isNew ? [deleteCrossSigningKeys(userId, ['self_signing'])] : []),
        ...keys.map(({ usage, json }) =>
          storeCrossSigningKey({ user_id: userId, usage, key: canonicalJson(json) }, logPosition(0)),
        ),
        ...changes.writes,
      ],
      log: changes.log,
    }
  })
}

/** A server speaks for its own users, and we listen while we share a room with them. */
async function wantedUser(app: App, origin: ServerName, content: JsonObject): Promise<string | undefined> {
  const userId = own(content, 'user_id')
  if (typeof userId !== 'string' || !isHistoricalUserId(userId) || serverNameOf(userId) !== origin) return undefined
  return (await sharingWithServer(app.db, app.serverName, [userId])).has(userId) ? userId : undefined
}

/** `compose` makes the batch for a list that is up to date: undefined when there is nothing to do. */
async function change(
  app: App,
  userId: string,
  compose: (list: RemoteList) => Promise<Batch | 'missed' | undefined>,
): Promise<void> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const list = (await followedLists(app.db, app.serverName, [userId])).get(userId)
    const batch = list === undefined || list.stale === 1 ? 'missed' : await compose(list)
    if (batch === undefined) return
    if (batch === 'missed') break
    if ((await write(app, batch)) !== undefined) return
  }
  await write(app, {
    guards: [],
    writes: [markListStale(userId, app.clock.now(), logPosition(0))],
    log: [{ kind: STALE_LIST, subject: userId }],
  })
}

async function updateDevice(
  app: App,
  userId: string,
  { deviceId, keys }: RemoteDevice,
  deleted: boolean,
  list: RemoteList,
  streamId: number,
): Promise<Batch | undefined> {
  const known = await deviceKeysOf(app.db, [userId])
  const gone = deleted || keys === undefined
  if (!gone && known.length >= REMOTE_DEVICES_MAX && known.every((row) => row.device_id !== deviceId)) return undefined
  const changes = deviceListChanges(devicesChanged(userId, [deviceId]), 0)
  const device = gone
    ? [deleteDeviceKeys(userId, deviceId)]
    : storeDeviceKeys(userId, deviceId, canonicalJson(keys), logPosition(0))
  return {
    guards: [remoteListIsStill(userId, list)],
    writes: [...device, moveRemoteList(userId, streamId), ...changes.writes],
    log: changes.log,
  }
}
