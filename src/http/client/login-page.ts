import { endpoint } from '../endpoint.ts'
import { sendPage } from '../pages.ts'

/** Client-Server API, "Login Fallback": a page that logs in for clients without a form of their own. */
export const getLoginPage = endpoint({
  method: 'GET',
  path: '/_matrix/static/client/login/',
  auth: 'none',
  rateLimit: 'login',
  handle: (app, { reply }) => sendPage(app, reply, 'login', { title: 'Log in' }, { script: true, connect: true }),
})
