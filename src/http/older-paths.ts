const UNSTABLE = '/_matrix/client/unstable'
const R0 = '/_matrix/client/r0'
const V1 = '/_matrix/client/v1'
const V3 = '/_matrix/client/v3'
const AUTHENTICATED_MEDIA = `${UNSTABLE}/org.matrix.msc3916/media`
const ADMIN = `${UNSTABLE}/uk.timedout.msc4323/admin`

const TOKENS = '/_synapse/admin/v1/registration_tokens'
const GO_TOKENS = '/_dendrite/admin/registrationTokens'

/**
 * Paths from before the specification had these endpoints, which clients still use, and those
 * of the Go Dendrite. Each answers as the endpoint does,
 * from the day on which that one is served. Other version segments of the same path stand beside the endpoint.
 */
export const OLDER_PATHS: ReadonlyMap<string, readonly string[]> = new Map([
  [`DELETE ${V3}/profile/{userId}/{keyName}`, [`${UNSTABLE}/uk.tcpip.msc4133/profile/{userId}/{keyName}`]],
  [`GET ${V3}/profile/{userId}/{keyName}`, [`${UNSTABLE}/uk.tcpip.msc4133/profile/{userId}/{keyName}`]],
  [`PUT ${V3}/profile/{userId}/{keyName}`, [`${UNSTABLE}/uk.tcpip.msc4133/profile/{userId}/{keyName}`]],
  [`GET ${V3}/rooms/{roomId}/aliases`, [`${UNSTABLE}/org.matrix.msc2432/rooms/{roomId}/aliases`]],
  [`GET ${V1}/rooms/{roomId}/hierarchy`, [`${UNSTABLE}/org.matrix.msc2946/rooms/{roomId}/hierarchy`]],
  [`GET ${V1}/rooms/{roomId}/threads`, [`${UNSTABLE}/org.matrix.msc3856/rooms/{roomId}/threads`]],
  [`GET ${V1}/rooms/{roomId}/timestamp_to_event`, [`${UNSTABLE}/org.matrix.msc3030/rooms/{roomId}/timestamp_to_event`]],
  [
    `GET ${V1}/room_summary/{roomIdOrAlias}`,
    [
      `${UNSTABLE}/im.nheko.summary/summary/{roomIdOrAlias}`,
      `${UNSTABLE}/im.nheko.summary/rooms/{roomIdOrAlias}/summary`,
    ],
  ],
  [`POST ${V3}/rooms/{roomId}/report`, [`${UNSTABLE}/org.matrix.msc4151/rooms/{roomId}/report`]],
  [`POST ${V3}/users/{userId}/report`, [`${UNSTABLE}/org.matrix.msc4260/users/{userId}/report`]],
  [`GET ${V1}/mutual_rooms`, [`${UNSTABLE}/uk.half-shot.msc2666/user/mutual_rooms`]],
  [`POST ${V1}/login/get_token`, [`${UNSTABLE}/org.matrix.msc3882/login/get_token`]],
  [`GET ${V1}/admin/lock/{userId}`, [`${ADMIN}/lock/{userId}`]],
  [`PUT ${V1}/admin/lock/{userId}`, [`${ADMIN}/lock/{userId}`]],
  [`GET ${V1}/admin/suspend/{userId}`, [`${ADMIN}/suspend/{userId}`]],
  [`PUT ${V1}/admin/suspend/{userId}`, [`${ADMIN}/suspend/{userId}`]],
  ['POST /_synapse/admin/v1/room/{roomId}/media/quarantine', ['/_synapse/admin/v1/quarantine_media/{roomId}']],
  [
    `GET ${V1}/auth_metadata`,
    [`${UNSTABLE}/org.matrix.msc2965/auth_metadata`, '/.well-known/oauth-authorization-server'],
  ],
  [`GET ${V1}/media/config`, [`${AUTHENTICATED_MEDIA}/config`]],
  [`GET ${V1}/media/download/{serverName}/{mediaId}`, [`${AUTHENTICATED_MEDIA}/download/{serverName}/{mediaId}`]],
  [
    `GET ${V1}/media/download/{serverName}/{mediaId}/{fileName}`,
    [`${AUTHENTICATED_MEDIA}/download/{serverName}/{mediaId}/{fileName}`],
  ],
  [`GET ${V1}/media/preview_url`, [`${AUTHENTICATED_MEDIA}/preview_url`]],
  [`GET ${V1}/media/thumbnail/{serverName}/{mediaId}`, [`${AUTHENTICATED_MEDIA}/thumbnail/{serverName}/{mediaId}`]],
  ['POST /_matrix/media/v1/create', ['/_matrix/media/unstable/fi.mau.msc2246/create']],
  [
    'PUT /_matrix/media/v3/upload/{serverName}/{mediaId}',
    ['/_matrix/media/unstable/fi.mau.msc2246/upload/{serverName}/{mediaId}'],
  ],
  [`POST ${V3}/keys/upload`, [`${R0}/keys/upload/{deviceId}`, `${V3}/keys/upload/{deviceId}`]],
  [`GET ${V3}/login/sso/redirect`, [`${R0}/login/cas/redirect`, `${V3}/login/cas/redirect`]],
  [`GET ${TOKENS}`, [GO_TOKENS]],
  [`POST ${TOKENS}/new`, [`${GO_TOKENS}/new`]],
  [`GET ${TOKENS}/{token}`, [`${GO_TOKENS}/{token}`]],
  [`PUT ${TOKENS}/{token}`, [`${GO_TOKENS}/{token}`]],
  [`DELETE ${TOKENS}/{token}`, [`${GO_TOKENS}/{token}`]],
  [`POST ${V1}/appservice/{appserviceId}/ping`, [`${UNSTABLE}/fi.mau.msc2659/appservice/{appserviceId}/ping`]],
])
