import { endpoint } from '../endpoint.ts'

/** Versions whose thin core is served: a client may log in, talk and sync. */
const VERSIONS = ['r0.6.1', 'v1.1', 'v1.2', 'v1.3', 'v1.4', 'v1.5', 'v1.6', 'v1.7', 'v1.8', 'v1.9', 'v1.10', 'v1.11']

/** Client-Server API, "API versions". */
export const getVersions = endpoint({
  method: 'GET',
  path: '/_matrix/client/versions',
  auth: 'access-token-optional',
  guest: true,
  handle: async () => ({ versions: VERSIONS, unstable_features: {} }),
})
