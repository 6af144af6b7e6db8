import { Type } from '@sinclair/typebox'
import { isUnsubscription, UNSUBSCRIBE_PATH, unsubscribe } from '../../actions/accounts/unsubscribe.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { sendPage, withPages } from '../pages.ts'
import { Email, Token, UserName } from '../texts.ts'

const FORM_BYTES = 4_096
const shared = {
  path: UNSUBSCRIBE_PATH,
  auth: 'none',
  rateLimit: 'other',
  query: Type.Object({ user: UserName, address: Email, token: Token }),
} as const

/** The link of mail about what is unread. Looking at it ends nothing: programs that look for viruses follow it, too. */
export const showUnsubscribe = endpoint({
  ...shared,
  method: 'GET',
  handle: (app, { query, reply }) =>
    withPages(app, reply, async () => {
      if (!isUnsubscription(app, query)) throw notOurs()
      await sendPage(app, reply, 'unsubscribe', { title: 'No more mails?', ...query })
    }),
})

/** The button of that page, and the one that mail programs have for it: it needs nothing but the link (RFC 8058). */
export const submitUnsubscribe = endpoint({
  ...shared,
  method: 'POST',
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { query, reply }) =>
    withPages(app, reply, async () => {
      if (!(await unsubscribe(app, query))) throw notOurs()
      const text = `${query.address} gets no more mails about what ${query.user} has not read.`
      await sendPage(app, reply, 'message', { title: 'Done', text })
    }),
})

function notOurs(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'This link is not complete. Open it out of the mail once more.')
}
