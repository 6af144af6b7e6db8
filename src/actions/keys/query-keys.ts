import type { App } from '../../app.ts'
import type { KeyUsage } from '../../core/cross-signing.ts'
import { isServerName, serverNameOf } from '../../core/ids.ts'
import { isObject, type JsonObject, own } from '../../core/json.ts'
import { REMOTE_DEVICES_MAX, readRemoteCrossSigning, readRemoteDeviceKeys } from '../../core/remote-keys.ts'
import { askServer, federationPath } from '../../remote/ask-server.ts'
import { knownKeys, type UserKeys } from '../../store/known-keys.ts'
import { followedLists, sharingWithServer } from '../../store/remote-device-lists.ts'
import { askServers, byServer } from '../federation/ask-servers.ts'
import { type Patience, resyncDeviceList } from './resync-device-list.ts'

export interface KeyQuery {
  /** Who asks. */
  readonly userId: string
  readonly users: readonly string[]
  /** How long other servers may take. */
  readonly timeoutMs: number | undefined
}

export interface QueriedKeys {
  readonly keys: ReadonlyMap<string, UserKeys>
  /** Servers that did not answer. */
  readonly failures: readonly string[]
}

/** Lists of one server that are read as a whole for one query; for the other users it is asked once. */
const LISTS_MAX = 20
const ANSWER_BYTES_MAX = 16 * 1_024 * 1_024

/**
 * Keys of users, whichever server they are of (Client-Server API, `/keys/query`). Lists of users who share a room with
 * this server are read once and followed from then on; others are asked for every time.
 */
export async function queryKeys(app: App, { userId, users, timeoutMs }: KeyQuery): Promise<QueriedKeys> {
  const groups = byServer(app, users, serverNameOf)
  const others = [...groups.values()].flat()
  const followed = await followedLists(app.db, app.serverName, others)
  const shared = await sharingWithServer(app.db, app.serverName, others)
  const isKnown = (id: string) => shared.has(id) && followed.get(id)?.stale === 0
  const wanted = new Map([...groups].map(([server, ids]) => [server, ids.filter((id) => !isKnown(id))] as const))
  for (const [server, ids] of wanted) if (ids.length === 0 || !isServerName(server)) wanted.delete(server)
  const asked = new Map<string, UserKeys>()
  const read = new Set<string>()
  const failures = await askServers(app, wanted, timeoutMs, async (server, ids, patience) => {
    const lists = ids.filter((id) => shared.has(id)).slice(0, LISTS_MAX)
    for (const id of lists) read.add(id)
    const rest = ids.filter((id) => !read.has(id))
    const ends = await Promise.allSettled([
      ...lists.map((id) => resyncDeviceList(app, id, patience)),
      ...(rest.length === 0 ? [] : [askForKeys(app, server, rest, patience, asked)]),
    ])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  })
  const failed = new Set<string>(failures)
  const here = users.filter((id) => !groups.has(serverNameOf(id)) || isKnown(id) || read.has(id))
  const answered = here.filter((id) => isKnown(id) || !failed.has(serverNameOf(id)))
  const keys = await knownKeys(app.db, answered, { userId, names: true })
  for (const [id, keysOfUser] of asked) keys.set(id, keysOfUser)
  return { keys, failures }
}

/** Server-Server API, `/user/keys/query`. Whatever the answer says of users who were not asked for is passed over. */
async function askForKeys(
  app: App,
  server: ReturnType<typeof serverNameOf>,
  users: readonly string[],
  patience: Patience,
  asked: Map<string, UserKeys>,
): Promise<void> {
  const content = { device_keys: Object.fromEntries(users.map((id) => [id, []])) }
  const uri = federationPath`/v1/user/keys/query`
  const answer = await askServer(app, server, { method: 'POST', uri, content, maxBytes: ANSWER_BYTES_MAX, ...patience })
  const [devices, masters, selfSigning] = [part('device_keys'), part('master_keys'), part('self_signing_keys')]
  function part(name: string): JsonObject {
    const value = own(answer, name)
    return isObject(value) ? value : {}
  }
  for (const id of users) {
    const keys = readRemoteCrossSigning(own(masters, id), own(selfSigning, id), id)
    const crossSigning = new Map<KeyUsage, JsonObject>(keys.map(({ usage, json }) => [usage, json]))
    const ofUser = own(devices, id)
    if (!isObject(ofUser) && crossSigning.size === 0) continue
    asked.set(id, { devices: readDevices(ofUser, id), crossSigning })
  }
}

function readDevices(devices: unknown, userId: string): Map<string, JsonObject> {
  const read = new Map<string, JsonObject>()
  if (!isObject(devices)) return read
  for (const [deviceId, json] of Object.entries(devices).slice(0, REMOTE_DEVICES_MAX)) {
    const unsigned = isObject(json) ? own(json, 'unsigned') : undefined
    const name = isObject(unsigned) ? own(unsigned, 'device_display_name') : undefined
    const keys = readRemoteDeviceKeys(json, userId, deviceId, name)
    if (keys !== undefined) read.set(deviceId, keys)
  }
  return read
}
