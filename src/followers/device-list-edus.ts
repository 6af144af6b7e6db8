import type { App } from '../app.ts'
import type { JsonObject } from '../core/json.ts'
import type { OutboundListChange } from '../store/device-lists.ts'
import { FOR_SERVERS, knownKeys, type UserKeys } from '../store/known-keys.ts'

/**
 * `m.device_list_update` and `m.signing_key_update` (Server-Server API, "Device Management"). A change is a place in
 * the log, and told as the device is now: what changed twice may be told twice, and is told right.
 */
export async function deviceListEdus(app: App, changes: readonly OutboundListChange[]): Promise<JsonObject[]> {
  if (changes.length === 0) return []
  const users = await knownKeys(app.db, [...new Set(changes.map((change) => change.user_id))], FOR_SERVERS)
  return changes.map((change) => {
    const keys = users.get(change.user_id)
    return change.device_id === null ? signingKeyUpdate(change, keys) : deviceListUpdate(change, keys)
  })
}

function signingKeyUpdate({ user_id }: OutboundListChange, keys: UserKeys | undefined): JsonObject {
  const master = keys?.crossSigning.get('master')
  const selfSigning = keys?.crossSigning.get('self_signing')
  const content = {
    user_id,
    ...(master !== undefined && { master_key: master }),
    ...(selfSigning !== undefined && { self_signing_key: selfSigning }),
  }
  return { content, edu_type: 'm.signing_key_update' }
}

function deviceListUpdate(change: OutboundListChange, ofUser: UserKeys | undefined): JsonObject {
  const { user_id, position, previous, gone } = change
  const device_id = change.device_id ?? ''
  const keys = ofUser?.devices.get(device_id)
  const content = {
    user_id,
    device_id,
    stream_id: position,
    prev_id: previous === null ? [] : [previous],
    ...(gone === 1 && { deleted: true }),
    ...(keys !== undefined && { keys }),
  }
  return { content, edu_type: 'm.device_list_update' }
}
