import { expect } from 'vitest'
import { type Account, TEST_PASSWORD } from './server.ts'
import { inRoom, type Json, type Session, sessionOf } from './session.ts'
import type { Homeserver } from './tls-servers.ts'

/** What users of different servers do with one another. */

const ASKED_EVERY_MS = 50
const POLL_MS = 5_000

/** A new user of the server. */
export async function enterAt(server: Homeserver, username: string): Promise<Session> {
  const body = { username, password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
  const { status, body: account } = await server.client.call('POST', '/_matrix/client/v3/register', { body })
  expect([status, account.error]).toEqual([200, undefined])
  return sessionOn(server, account)
}

/** A further device of a user of the server. */
export async function logInAt(server: Homeserver, user: string): Promise<Session> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: TEST_PASSWORD }
  const { status, body: account } = await server.client.call('POST', '/_matrix/client/v3/login', { body })
  expect([status, account.error]).toEqual([200, undefined])
  return sessionOn(server, account)
}

export function sessionAt(server: Homeserver, account: Account): Session {
  const call: Session['call'] = async (method, path, options) => ({
    headers: new Headers(),
    ...(await server.client.call(method, path, options as object)),
  })
  return sessionOf({ call }, account)
}

function sessionOn(server: Homeserver, { user_id: userId, access_token: token, device_id: deviceId }: Json): Session {
  return sessionAt(server, { userId, token, deviceId })
}

/** Joins a room by way of a server that is in it. */
export function joinBy(user: Session, roomId: string, server: Homeserver): Promise<Json> {
  return user.post(joinPath(roomId, server))
}

export function joinPath(roomId: string, server: Homeserver): string {
  const name = encodeURIComponent(server.name)
  return `/join/${encodeURIComponent(roomId)}?server_name=${name}&via=${name}`
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, ASKED_EVERY_MS))
}

/** The texts of the newest events that the user is shown, newest first. */
export async function bodies(user: Session, roomId: string, limit = 20): Promise<string[]> {
  const { chunk } = await user.get(`${inRoom(roomId)}/messages?dir=b&limit=${limit}`)
  return chunk.map((event: Json) => event.content.body)
}

/** Resolves once the user is shown the text. What is said on an old end of the room stands far back in history. */
export function hears(user: Session, roomId: string, body: string): Promise<void> {
  return until(async () => (await bodies(user, roomId, 100)).includes(body))
}

/** Resolves once the user is shown that the other one's membership is this one. */
export function sees(user: Session, roomId: string, userId: string, membership: string): Promise<void> {
  const path = `${inRoom(roomId)}/state/m.room.member/${encodeURIComponent(userId)}`
  return until(async () => (await user.call('GET', path)).body.membership === membership)
}

/** Resolves with what is found in an answer to the user's syncs, the first of which tells everything. */
export async function shown<T>(user: Session, look: (answer: Json) => T | undefined): Promise<T> {
  let answer: Json
  for (let found: T | undefined; ; ) {
    answer = await user.sync(answer, { timeout: POLL_MS })
    found = look(answer)
    if (found !== undefined) return found
  }
}

/** Resolves with the stripped state that comes with an invite. */
export function invited(user: Session, roomId: string): Promise<Json[]> {
  return shown(user, ({ rooms }) => rooms?.invite?.[roomId]?.invite_state.events)
}
