import type { App } from '../../app.ts'
import { isObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { Unreachable } from '../../remote/outbound.ts'

const GOOGLE_VERIFY = 'https://www.google.com/recaptcha/api/siteverify'
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 16_384
const RETRY_AFTER_MS = 5_000

/**
 * Client-Server API, "Google ReCaptcha": whether whoever keeps the captchas says that this one is solved. Errors:
 * M_UNKNOWN (503) when that cannot be asked.
 */
export async function checkCaptcha(app: App, response: string, ip: string | undefined): Promise<boolean> {
  const config = app.config.client_api
  if (config.recaptcha_bypass_secret !== '' && response === config.recaptcha_bypass_secret) return true
  const url = new URL(config.recaptcha_siteverify_api || GOOGLE_VERIFY)
  const form = new URLSearchParams({ secret: config.recaptcha_private_key, response })
  if (ip !== undefined) form.set('remoteip', ip)
  try {
    const { status, body } = await app.remote.services.request({
      method: 'POST',
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_BYTES_MAX,
    })
    if (status >= 500) throw new Unreachable(`${url.origin} answered ${status}`)
    const answer = parseJson(body)
    return isObject(answer) && own(answer, 'success') === true
  } catch (error) {
    app.log.warn({ err: error }, 'the captcha could not be checked')
    const extra = { retry_after_ms: RETRY_AFTER_MS }
    throw new MatrixError('M_UNKNOWN', 'The captcha cannot be checked now; try again.', extra, 503)
  }
}
