import { PROGRAM } from '../../config/program.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

/** Server-Server API, "Server implementation". */
export const getVersion = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/version',
  auth: 'none',
  async handle() {
    return { server: PROGRAM }
  },
})

/** Server-Server API, "Resolving server names": where this host's server really is. */
export const getWellKnownServer = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/server',
  auth: 'none',
  async handle(app) {
    const name = app.config.global.well_known_server_name
    if (name === '') throw new MatrixError('M_NOT_FOUND', 'This server delegates to no other host.')
    return { 'm.server': name }
  },
})
