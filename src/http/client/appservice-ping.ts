import { Type } from '@sinclair/typebox'
import { pingAppservice as ping } from '../../actions/ping-appservice.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { text } from '../texts.ts'

const TRANSACTION_ID_LENGTH_MAX = 255

/** Application Service API, "Pinging". */
export const pingAppservice = endpoint({
  method: 'POST',
  path: '/_matrix/client/v1/appservice/{appserviceId}/ping',
  auth: 'appservice-token',
  params: Type.Object({ appserviceId: Type.String() }),
  body: Type.Object({ transaction_id: Type.Optional(text(TRANSACTION_ID_LENGTH_MAX)) }),
  async handle(app, { appservice, params, body }) {
    if (params.appserviceId !== appservice.id)
      throw new MatrixError('M_FORBIDDEN', 'The token is that of another application service.')
    const tookMs = await ping(app, appservice, body.transaction_id)
    app.live.appserviceSigns.note(appservice.id, 'reached')
    return { duration_ms: tookMs }
  },
})
