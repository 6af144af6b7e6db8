import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

/** Client-Server API, "Well-known URIs". */
export const getWellknown = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/client',
  auth: 'none',
  async handle(app) {
    const { well_known_client_name: baseUrl, well_known_sliding_sync_proxy: proxy } = app.config.global
    if (baseUrl === '') throw new MatrixError('M_NOT_FOUND', 'No base URL is configured.')
    return {
      'm.homeserver': { base_url: baseUrl },
      ...(proxy !== '' && { 'org.matrix.msc3575.proxy': { url: proxy } }),
    }
  },
})

export const getWellknownSupport = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/support',
  auth: 'none',
  async handle(app) {
    const { well_known_support_email: email, well_known_support_page: page } = app.config.global
    if (email === '' && page === '') throw new MatrixError('M_NOT_FOUND', 'Nobody to turn to is configured.')
    return {
      ...(email !== '' && { contacts: [{ role: 'm.role.admin', email_address: email }] }),
      ...(page !== '' && { support_page: page }),
    }
  },
})
