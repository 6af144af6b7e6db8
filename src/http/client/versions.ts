import { endpoint } from '../endpoint.ts'

/** The oldest versions that clients in use ask for: their endpoints are the floor of this server. */
const FLOOR = ['r0.6.1', 'v1.1']

const ROOM = '/_matrix/client/v1/rooms/{roomId}'
const MEDIA = '/_matrix/client/v1/media'

/** The endpoints that each later version of the specification added for clients and application services. */
export const ADDED: readonly (readonly [version: string, endpoints: readonly string[]])[] = [
  ['v1.2', ['GET /_matrix/client/v1/register/m.login.registration_token/validity', `GET ${ROOM}/hierarchy`]],
  [
    'v1.3',
    [
      `GET ${ROOM}/relations/{eventId}`,
      `GET ${ROOM}/relations/{eventId}/{relType}`,
      `GET ${ROOM}/relations/{eventId}/{relType}/{eventType}`,
      'POST /_matrix/client/v3/refresh',
    ],
  ],
  ['v1.4', [`GET ${ROOM}/threads`]],
  ['v1.5', []],
  ['v1.6', [`GET ${ROOM}/timestamp_to_event`]],
  [
    'v1.7',
    [
      'POST /_matrix/client/v1/appservice/{appserviceId}/ping',
      'POST /_matrix/client/v1/login/get_token',
      'POST /_matrix/media/v1/create',
      'PUT /_matrix/media/v3/upload/{serverName}/{mediaId}',
    ],
  ],
  ['v1.8', []],
  ['v1.9', []],
  ['v1.10', ['GET /.well-known/matrix/support']],
  [
    'v1.11',
    [
      `GET ${MEDIA}/config`,
      `GET ${MEDIA}/download/{serverName}/{mediaId}`,
      `GET ${MEDIA}/download/{serverName}/{mediaId}/{fileName}`,
      `GET ${MEDIA}/preview_url`,
      `GET ${MEDIA}/thumbnail/{serverName}/{mediaId}`,
    ],
  ],
  ['v1.12', []],
  ['v1.13', ['POST /_matrix/client/v3/rooms/{roomId}/report']],
  ['v1.14', ['POST /_matrix/client/v3/users/{userId}/report']],
  ['v1.15', ['GET /_matrix/client/v1/room_summary/{roomIdOrAlias}']],
  ['v1.16', ['DELETE /_matrix/client/v3/profile/{userId}/{keyName}']],
  ['v1.17', []],
  [
    'v1.18',
    [
      'GET /_matrix/client/v1/admin/lock/{userId}',
      'PUT /_matrix/client/v1/admin/lock/{userId}',
      'GET /_matrix/client/v1/admin/suspend/{userId}',
      'PUT /_matrix/client/v1/admin/suspend/{userId}',
    ],
  ],
  ['v1.19', ['GET /_matrix/client/v1/mutual_rooms']],
]

/**
 * What clients ask for by its name of before the specification had it, or has it, and the endpoints without which it
 * would not work. Nothing is announced that does not.
 */
export const FEATURES: readonly (readonly [name: string, endpoints: readonly string[]])[] = [
  ['com.beeper.msc4169', []],
  ['fi.mau.msc2246.stable', ['POST /_matrix/media/v1/create', 'PUT /_matrix/media/v3/upload/{serverName}/{mediaId}']],
  ['fi.mau.msc2659.stable', ['POST /_matrix/client/v1/appservice/{appserviceId}/ping']],
  ['org.matrix.e2e_cross_signing', ['POST /_matrix/client/v3/keys/device_signing/upload']],
  ['org.matrix.msc2285.stable', []],
  ['org.matrix.msc3440.stable', []],
  ['org.matrix.msc3771', []],
  ['org.matrix.msc3773', []],
  [
    'org.matrix.msc3814',
    ['PUT /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device', 'POST /_matrix/client/v3/keys/upload'],
  ],
  ['org.matrix.msc3827.stable', []],
  ['org.matrix.msc3916.stable', [`GET ${MEDIA}/download/{serverName}/{mediaId}`]],
  ['org.matrix.msc3952_intentional_mentions', []],
  ['org.matrix.msc3981', []],
  ['org.matrix.msc4222', []],
  ['org.matrix.msc4380.stable', []],
  ['org.matrix.simplified_msc3575', ['POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync']],
  ['uk.half-shot.msc2666.query_mutual_rooms', ['GET /_matrix/client/v1/mutual_rooms']],
  ['uk.half-shot.msc2666.query_mutual_rooms.stable', ['GET /_matrix/client/v1/mutual_rooms']],
  ['uk.tcpip.msc4133', ['DELETE /_matrix/client/v3/profile/{userId}/{keyName}']],
  ['uk.tcpip.msc4133.stable', ['DELETE /_matrix/client/v3/profile/{userId}/{keyName}']],
]

/** A version is announced when everything that it and the earlier ones added is served (`METHOD path`). */
export function versionsOf(served: ReadonlySet<string>): string[] {
  const missing = ADDED.findIndex(([, endpoints]) => endpoints.some((key) => !served.has(key)))
  return [...FLOOR, ...(missing < 0 ? ADDED : ADDED.slice(0, missing)).map(([version]) => version)]
}

/** Client-Server API, "API versions". */
export function getVersions(served: ReadonlySet<string>) {
  const versions = versionsOf(served)
  const features = FEATURES.filter(([, endpoints]) => endpoints.every((key) => served.has(key)))
  const unstable_features = Object.fromEntries(features.map(([name]) => [name, true]))
  return endpoint({
    method: 'GET',
    path: '/_matrix/client/versions',
    auth: 'access-token-optional',
    guest: true,
    handle: async (app) => ({
      versions,
      unstable_features: app.config.room_server.enable_ephemeral_messages
        ? { ...unstable_features, 'org.matrix.msc2228': true }
        : unstable_features,
    }),
  })
}
