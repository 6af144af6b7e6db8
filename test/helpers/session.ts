import { expect } from 'vitest'
import { createAccount } from '../../src/actions/accounts/create-account.ts'
import { type Account, type Reply, TEST_PASSWORD, type TestServer } from './server.ts'

const V3 = '/_matrix/client/v3'

// biome-ignore lint/suspicious/noExplicitAny: replies are looked into where the test expects them
export type Json = any

/** One device of a user, as tests use it: replies other than 200 fail the test. */
export interface Session extends Account {
  /** The reply whatever its status; `path` follows `/_matrix/client/v3`, unless it names a version itself. */
  call(method: string, path: string, body?: unknown): Promise<Reply>
  /** Status and errcode of a reply, as `403 M_FORBIDDEN`. */
  refusal(method: string, path: string, body?: unknown): Promise<string>
  get(path: string): Promise<Json>
  post(path: string, body?: object): Promise<Json>
  put(path: string, body?: object): Promise<Json>
  delete(path: string): Promise<Json>
  /** Status and errcode of the reply, as `403 M_FORBIDDEN`. */
  refused(method: string, path: string, body?: object): Promise<string>
  createRoom(wish?: object): Promise<string>
  join(roomId: string): Promise<void>
  /** Sends a message, or an event of another type, and resolves with its id. */
  send(roomId: string, content: string | object, type?: string): Promise<string>
  setState(roomId: string, type: string, content: object, stateKey?: string): Promise<string>
  /** The content of a piece of state, as the user is shown it. */
  state(roomId: string, type: string, stateKey?: string): Promise<Json>
  membership(roomId: string, userId: string): Promise<string>
  /** The answer to `/sync` at once; `since` an earlier answer. */
  sync(since?: Json, options?: SyncOptions): Promise<Json>
}

export interface SyncOptions {
  readonly filter?: object
  readonly timeout?: number
  readonly [parameter: string]: unknown
}

let transactions = 0

export async function enter(server: TestServer, localpart: string): Promise<Session> {
  return sessionOf(server, await server.register(localpart))
}

export async function enterAsGuest(server: TestServer): Promise<Session> {
  const reply = await server.call('POST', `${V3}/register?kind=guest`, { body: {} })
  expect(reply.status).toBe(200)
  const { user_id: userId, access_token: token, device_id: deviceId } = reply.body
  return sessionOf(server, { userId: String(userId), token: String(token), deviceId: String(deviceId) })
}

/** An administrator, who does not come by registering. */
export async function enterAsAdmin(server: TestServer, localpart: string): Promise<Session> {
  await createAccount(server.app, { localpart, password: TEST_PASSWORD, admin: true })
  return logIn(server, localpart)
}

/** A further device of a user. */
export async function logIn(server: TestServer, user: string): Promise<Session> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: TEST_PASSWORD }
  const reply = await server.call('POST', `${V3}/login`, { body })
  expect([reply.status, reply.body.error]).toEqual([200, undefined])
  const { user_id: userId, access_token: token, device_id: deviceId } = reply.body
  return sessionOf(server, { userId: String(userId), token: String(token), deviceId: String(deviceId) })
}

export function sessionOf(server: Pick<TestServer, 'call'>, account: Account): Session {
  const call = (method: string, path: string, body?: unknown) =>
    server.call(method, /^\/[_.]/.test(path) ? path : `${V3}${path}`, {
      token: account.token,
      ...(body === undefined ? {} : { body }),
    })
  const ask = async (method: string, path: string, body?: unknown): Promise<Json> => {
    const reply = await call(method, path, body)
    expect([method, path, reply.status, reply.body.error]).toEqual([method, path, 200, undefined])
    return reply.body
  }
  const state = (roomId: string, type: string, stateKey = '') =>
    ask('GET', `${inRoom(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`)
  return {
    ...account,
    call,
    async refusal(method, path, body) {
      const reply = await call(method, path, body)
      return `${reply.status} ${reply.body.errcode}`
    },
    get: (path) => ask('GET', path),
    post: (path, body = {}) => ask('POST', path, body),
    put: (path, body = {}) => ask('PUT', path, body),
    delete: (path) => ask('DELETE', path),
    async refused(method, path, body) {
      const reply = await call(method, path, body)
      return `${reply.status} ${reply.body.errcode}`
    },
    createRoom: async (wish = {}) => (await ask('POST', '/createRoom', wish)).room_id,
    join: (roomId) => ask('POST', `/join/${encodeURIComponent(roomId)}`, {}),
    async send(roomId, content, type = 'm.room.message') {
      const body = typeof content === 'string' ? { msgtype: 'm.text', body: content } : content
      const path = `${inRoom(roomId)}/send/${type}/txn${transactions++}`
      return (await ask('PUT', path, body)).event_id
    },
    async setState(roomId, type, content, stateKey = '') {
      return (await ask('PUT', `${inRoom(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`, content)).event_id
    },
    state,
    membership: async (roomId, userId) => (await state(roomId, 'm.room.member', userId)).membership,
    sync(since, { filter, ...options } = {}) {
      const query = new URLSearchParams()
      if (since !== undefined) query.set('since', since.next_batch)
      if (filter !== undefined) query.set('filter', JSON.stringify(filter))
      for (const [name, value] of Object.entries(options)) query.set(name, String(value))
      return ask('GET', `/sync?${query}`)
    },
  }
}

/** The path of a room. */
export function inRoom(roomId: string): string {
  return `/rooms/${encodeURIComponent(roomId)}`
}
