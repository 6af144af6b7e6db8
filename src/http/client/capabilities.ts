import { ROOM_VERSIONS } from '../../core/room-version.ts'
import { endpoint } from '../endpoint.ts'
import { addressStages } from '../uia-stages.ts'

/** Client-Server API, "Capabilities negotiation". What is not offered yet is said to be off. */
export const getCapabilities = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/capabilities',
  aliases: ['r0'],
  auth: 'access-token',
  handle: async (app, { user }) => ({
    capabilities: {
      'm.room_versions': {
        default: app.config.room_server.default_room_version,
        available: Object.fromEntries([...ROOM_VERSIONS.keys()].map((id) => [id, 'stable'])),
      },
      // Who is in by OAuth 2.0 cannot confirm that it is them in the client, which these take.
      'm.change_password': { enabled: user.oauth !== true },
      'm.3pid_changes': { enabled: user.oauth !== true && addressStages(app).length > 0 },
      'm.get_login_token': { enabled: user.oauth !== true && app.config.client_api.get_login_token.enabled },
      'm.profile_fields': { enabled: true },
      'm.set_displayname': { enabled: true },
      'm.set_avatar_url': { enabled: true },
      ...(user.admin && { 'm.account_moderation': { lock: true, suspend: true } }),
    },
  }),
})
