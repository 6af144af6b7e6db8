import type { App } from '../../app.ts'
import { serverNameOf } from '../../core/ids.ts'
import { canonicalJson } from '../../core/json.ts'
import { type RemoteDeviceList, readDeviceList } from '../../core/remote-keys.ts'
import type { Batch } from '../../db/database.ts'
import { logPosition, type Sql } from '../../db/sql.ts'
import { askServer, federationPath } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { crossSigningKeysOf, deleteCrossSigningKeys, storeCrossSigningKey } from '../../store/cross-signing.ts'
import { deleteDeviceKeys, deviceKeysOf, storeDeviceKeys } from '../../store/device-keys.ts'
import {
  LIST_READ,
  type RemoteList,
  remoteList,
  remoteListIsStill,
  storeRemoteList,
} from '../../store/remote-device-lists.ts'
import { write } from '../write.ts'
import { deviceListChanges } from './device-list-changes.ts'

export interface Patience {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Of a list with a thousand devices. */
const ANSWER_BYTES_MAX = 16 * 1_024 * 1_024
/** Readings, when changes come in meanwhile. */
const TRIES_MAX = 3

/**
 * Reads the device list of another server's user as a whole, so that it can be followed from there (Server-Server API,
 * "Device Management"). Whoever asks for the same at the same time shares the answer. Errors: Refused, Unreachable.
 */
export function resyncDeviceList(app: App, userId: string, patience: Patience): Promise<void> {
  return app.live.deviceLists.run(userId, async () => {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const seen = await remoteList(app.db, userId)
      const list = await fetchList(app, userId, patience)
      if ((await write(app, await composeList(app, userId, seen, list))) !== undefined) return
    }
    throw new Unreachable(`the device list of ${userId} changes too quickly`)
  })
}

async function fetchList(app: App, userId: string, patience: Patience): Promise<RemoteDeviceList> {
  const server = serverNameOf(userId)
  const uri = federationPath`/v1/user/devices/${userId}`
  const answer = await askServer(app, server, { method: 'GET', uri, maxBytes: ANSWER_BYTES_MAX, ...patience })
  const list = readDeviceList(answer, userId)
  if (list === undefined) throw new Unreachable(`${server} answers without a device list`)
  return list
}

async function composeList(
  app: App,
  userId: string,
  seen: RemoteList | undefined,
  list: RemoteDeviceList,
): Promise<Batch> {
  const differences = [...(await devicesThatDiffer(app, userId, list)), ...(await keysThatDiffer(app, userId, list))]
  const changes = deviceListChanges(differences.length === 0 ? [] : [{ userId, deviceId: null, told: null }], 1)
  return {
    guards: [remoteListIsStill(userId, seen)],
    writes: [storeRemoteList(userId, list.streamId, logPosition(0)), ...differences, ...changes.writes],
    log: [{ kind: LIST_READ, subject: userId }, ...changes.log],
  }
}

async function devicesThatDiffer(app: App, userId: string, { devices }: RemoteDeviceList): Promise<Sql[]> {
  const before = new Map((await deviceKeysOf(app.db, [userId])).map((row) => [row.device_id, row.keys]))
  const writes: Sql[] = []
  for (const { deviceId, keys } of devices) {
    const text = keys === undefined ? undefined : canonicalJson(keys)
    if (text !== undefined && text !== before.get(deviceId))
      writes.push(...storeDeviceKeys(userId, deviceId, text, logPosition(0)))
    if (text !== undefined) before.delete(deviceId)
  }
  return [...writes, ...[...before.keys()].map((deviceId) => deleteDeviceKeys(userId, deviceId))]
}

async function keysThatDiffer(app: App, userId: string, { crossSigning }: RemoteDeviceList): Promise<Sql[]> {
  const before = new Map((await crossSigningKeysOf(app.db, [userId])).map((row) => [row.usage, row.key]))
  const writes: Sql[] = []
  for (const { usage, json } of crossSigning) {
    const key = canonicalJson(json)
    if (before.get(usage) !== key) writes.push(storeCrossSigningKey({ user_id: userId, usage, key }, logPosition(0)))
    before.delete(usage)
  }
  return before.size === 0 ? writes : [...writes, deleteCrossSigningKeys(userId, [...before.keys()])]
}
