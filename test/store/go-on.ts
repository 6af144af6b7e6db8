import { expect } from 'vitest'
import { oauthClient } from '../helpers/oauth.ts'
import { TEST_PASSWORD, type TestServer } from '../helpers/server.ts'
import { askAs, type Known, must, sendPath } from './populate.ts'

/** The clients of the fixture find everything as it was, and can go on. */
export async function goOn(server: TestServer, known: Known): Promise<void> {
  const [alice, bob] = known.accounts
  for (const { account, path, body, answer } of known.asked) {
    expect(await askAs(server, known.accounts[account]!, path, body), path).toMatchObject(answer as object)
  }
  for (const { roomId, messages } of known.rooms) {
    const page = await must(server, alice!, 'GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=500`)
    expect(messageIds(page.chunk).reverse()).toEqual(messages)
  }
  const news = await must(server, alice!, 'GET', `/sync?since=${known.since.token}`)
  const { join } = news.rooms as { join: Record<string, { timeline: { events: unknown } }> }
  expect(Object.values(join).flatMap((room) => messageIds(room.timeline.events))).toEqual(known.since.messages)
  expect((await must(server, alice!, 'PUT', known.sent.path, known.sent.body)).event_id).toBe(known.sent.eventId)
  for (const user of [alice!, bob!]) {
    const login = await logIn(server, user.userId)
    expect(login.status).toBe(200)
    const session = { ...user, token: String(login.body.access_token) }
    for (const { roomId } of known.rooms) {
      const body = { msgtype: 'm.text', body: 'after the migration' }
      await must(server, session, 'PUT', sendPath(roomId, 'after'), body)
    }
  }
  expect((await logIn(server, known.gone.localpart)).status).toBe(403)
  if (known.oauth === undefined) return
  const refreshed = await oauthClient(server).post('/token', { grant_type: 'refresh_token', ...known.oauth })
  expect([refreshed.status, refreshed.body.error]).toEqual([200, undefined])
}

function messageIds(events: unknown): string[] {
  const messages = (events as { type: string; event_id: string }[]).filter(({ type }) => type === 'm.room.message')
  return messages.map((event) => event.event_id)
}

function logIn(server: TestServer, user: string) {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: TEST_PASSWORD }
  return server.call('POST', '/_matrix/client/v3/login', { body })
}
