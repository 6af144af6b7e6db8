import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unsubscribeLink } from '../../src/actions/accounts/unsubscribe.ts'
import { serve } from '../helpers/identity-providers.ts'
import { linkIn, type MailServer, startMailServer } from '../helpers/mail-server.ts'
import { oauthClient } from '../helpers/oauth.ts'
import { startTestServer, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const terms = [{ id: 'tos', version: '1', languages: { en: { name: 'Terms', url: 'https://a.test/tos' } } }]
let browser: Browser
let mail: MailServer
let server: TestServer

const CHROMIUM = chromiumPath()
if (CHROMIUM === undefined)
  console.warn('NOT TESTED: the pages in a browser. Install chromium, or name one in CHROMIUM.')
const inBrowser = CHROMIUM === undefined ? test.skip : test

beforeAll(async () => {
  if (CHROMIUM === undefined) return
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  mail = await startMailServer()
  server = await startTestServer({ terms, email: mail.config, oauth: { enabled: true } })
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await mail?.stop()
})

function chromiumPath(): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const places = (process.env.PATH ?? '').split(delimiter).flatMap((dir) => names.map((name) => join(dir, name)))
  return [process.env.CHROMIUM, ...places].find((path) => path !== undefined && isExecutable(path))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A new page, and what its policies and scripts complained of. */
async function openPage(options: { javaScriptEnabled?: boolean } = {}): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  return { page, complaints }
}

/** A client on this machine, to which the browser comes back. */
const listening = () => serve(() => (_request, response) => response.end('back'))

const register = (body: object) => server.call('POST', `${v3}/register`, { body })
const stagePage = (stage: string, session: unknown) =>
  `${server.url}${v3}/auth/${stage}/fallback/web?session=${encodeURIComponent(String(session))}`

inBrowser('a stage is passed without JavaScript, and the client goes on', async () => {
  const { session } = (await register({ username: 'plain', password: TEST_PASSWORD })).body
  const { page } = await openPage({ javaScriptEnabled: false })
  await page.goto(stagePage('m.login.terms', session))
  await page.getByRole('checkbox').check()
  await page.getByRole('button').click()
  expect(await page.getByRole('heading').textContent()).toBe('Thank you')
  await page.goto(stagePage('m.login.dummy', session))
  await page.getByRole('button').click()
  expect((await register({ auth: { session } })).body.user_id).toBe('@plain:test.example')
})

inBrowser('a client that opened the page hears that the stage is passed', async () => {
  const { session } = (await register({ username: 'embedded', password: TEST_PASSWORD })).body
  const { page, complaints } = await openPage()
  await page.addInitScript('window.onAuthDone = () => { window.told = true }')
  await page.goto(stagePage('m.login.terms', session))
  await page.getByRole('checkbox').check()
  await page.getByRole('button').click()
  await expect.poll(() => page.evaluate('window.told')).toBe(true)
  expect(complaints).toEqual([])

  const opener = await openPage()
  await opener.page.goto(`${server.url}/_matrix/static/client/login/`)
  const popup = opener.page.waitForEvent('popup')
  await opener.page.evaluate(`new Promise((resolve) => {
    window.addEventListener('message', (event) => { window.heard = event.data })
    window.open(${JSON.stringify(stagePage('m.login.terms', session))})
    resolve()
  })`)
  await popup
  await expect.poll(() => opener.page.evaluate('window.heard')).toBe('authDone')
})

inBrowser('the link of a mail ends such mails by its button', async () => {
  const userId = '@weary:test.example'
  const { pathname, search } = new URL(unsubscribeLink(server.app, userId, 'weary+tea@mail.example'))
  const { page, complaints } = await openPage({ javaScriptEnabled: false })
  await page.goto(`${server.url}${pathname}${search}`)
  await page.getByRole('button').click()
  await page.getByText(`weary+tea@mail.example gets no more mails about what ${userId} has not read.`).waitFor()
  expect(complaints).toEqual([])
})

inBrowser('the login page hands the login to the client around it', async () => {
  const { session } = (await register({ username: 'walter', password: TEST_PASSWORD })).body
  for (const type of ['m.login.terms', 'm.login.dummy']) {
    await register({ username: 'walter', password: TEST_PASSWORD, auth: { session, type } })
  }
  const { page, complaints } = await openPage()
  await page.addInitScript('window.matrixLogin = { onLogin: (body) => { window.login = body } }')
  await page.goto(`${server.url}/_matrix/static/client/login/?device_id=PHONE&initial_device_display_name=phone`)
  await page.getByLabel('User name').fill('walter')
  await page.getByLabel('Password').fill('wrong password')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('alert').waitFor()
  expect(await page.getByRole('alert').textContent()).toContain('Wrong user name or password')
  await page.getByLabel('Password').fill(TEST_PASSWORD)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('You are logged in').waitFor()
  const login = (await page.evaluate('window.login')) as Record<string, string>
  expect(login).toMatchObject({ user_id: '@walter:test.example', device_id: 'PHONE' })
  expect((await server.call('GET', `${v3}/account/whoami`, { token: login.access_token! })).status).toBe(200)
  // The refused login is the browser's own remark.
  expect(complaints.filter((text) => !text.includes('403'))).toEqual([])
})

inBrowser('the link of a mail is followed, confirmed, and leads on', async () => {
  const next_link = `${server.url}/_matrix/client/versions`
  const body = { email: 'walter@example.org', client_secret: 'secret', send_attempt: 1, next_link }
  await server.call('POST', `${v3}/register/email/requestToken`, { body })
  const { page, complaints } = await openPage()
  await page.goto(`${server.url}${linkIn(await mail.next())}`)
  expect(await page.getByText('walter@example.org').isVisible()).toBe(true)
  await page.getByRole('button').click()
  await page.waitForURL(next_link)
  expect(complaints).toEqual([])
})

inBrowser('a user makes an account without JavaScript, lets a client in, and is back there', async () => {
  const client = oauthClient(server)
  const address = await listening()
  const native = { redirect_uris: ['http://127.0.0.1/back'], application_type: 'native' }
  const clientId = await client.register(native)
  const { page, complaints } = await openPage({ javaScriptEnabled: false })
  const more = { prompt: 'create', redirect_uri: `${address.root}/back` }
  await page.goto(client.request(clientId, more).url)
  await page.getByLabel('User name').fill('olga')
  await page.getByLabel('Password', { exact: true }).fill(TEST_PASSWORD)
  await page.getByLabel('The password once more').fill(TEST_PASSWORD)
  await page.getByRole('button').click()
  const [stage] = await Promise.all([page.waitForEvent('popup'), page.getByRole('link').click()])
  await stage.getByRole('checkbox').check()
  await stage.getByRole('button').click()
  await page.getByRole('button').click()
  expect(await page.getByText('@olga:test.example').isVisible()).toBe(true)
  await page.getByRole('button', { name: 'Let it in', exact: true }).click()
  await page.waitForURL(/\/back#code=/)
  await page.goto(client.request(clientId, { redirect_uri: `${address.root}/back` }).url)
  await page.getByLabel('User name or e-mail address').fill('olga')
  await page.getByLabel('Password').fill(TEST_PASSWORD)
  await page.getByRole('button').click()
  await page.getByRole('button', { name: 'Do not let it in' }).click()
  await page.waitForURL(/\/back#error=access_denied/)
  expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([])
  await address.stop()
})

inBrowser.each(['light', 'dark'] as const)('texts can be read in the %s', async (colorScheme) => {
  const context = await browser.newContext({ colorScheme, viewport: { width: 320, height: 640 } })
  const page = await context.newPage()
  await page.goto(`${server.url}/_matrix/static/client/login/`)
  const colours = (await page.evaluate(`['main', 'button'].map((name) => {
    const { color, backgroundColor } = getComputedStyle(document.querySelector(name))
    return [color, backgroundColor]
  })`)) as [string, string][]
  for (const [ink, ground] of colours) expect(contrast(ink, ground)).toBeGreaterThan(4.5)
  const overflow = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'
  expect(await page.evaluate(overflow)).toBe(false)
})

/** Web Content Accessibility Guidelines 2.2, "contrast ratio". */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

function luminance(colour: string): number {
  const parts = (colour.match(/\d+/g) ?? []).slice(0, 3).map(Number)
  const [red = 0, green = 0, blue = 0] = parts.map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
