import { isObject, type JsonValue, own } from './json.ts'

/** Whether a user with this `m.invite_permission_config` takes no invites (Client-Server API, "Invite permission"). */
export function blocksInvites(config: JsonValue | undefined): boolean {
  return config !== undefined && isObject(config) && own(config, 'default_action') === 'block'
}
