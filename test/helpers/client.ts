import { expect } from 'vitest'
import type { Account, Reply, TestServer } from './server.ts'

const V3 = '/_matrix/client/v3'

// biome-ignore lint/suspicious/noExplicitAny: what comes from the server is looked at by the test.
export type Body = Record<string, any>

/** One user's requests; paths start after `/_matrix/client/v3` unless they name a version themselves. */
export interface TestClient extends Account {
  /** The reply as it came. */
  ask(method: string, path: string, body?: object): Promise<Reply>
  /** These expect 200. */
  get(path: string): Promise<Body>
  post(path: string, body?: object): Promise<Body>
  put(path: string, body?: object): Promise<Body>
  delete(path: string): Promise<Body>
  /** Expects an error, as `403 M_FORBIDDEN`. */
  refused(method: string, path: string, body?: object): Promise<string>
  createRoom(body?: object): Promise<string>
  /** The content of a piece of state, as the user is shown it. */
  state(roomId: string, type: string, stateKey?: string): Promise<Body>
  membership(roomId: string, userId: string): Promise<string>
}

export async function enter(server: TestServer, localpart: string): Promise<TestClient> {
  return clientOf(server, await server.register(localpart))
}

export async function enterAsGuest(server: TestServer): Promise<TestClient> {
  const reply = await server.call('POST', `${V3}/register?kind=guest`, { body: {} })
  expect(reply.status).toBe(200)
  const { user_id: userId, access_token: token, device_id: deviceId } = reply.body
  return clientOf(server, { userId: String(userId), token: String(token), deviceId: String(deviceId) })
}

export function clientOf(server: TestServer, account: Account): TestClient {
  const ask = (method: string, path: string, body?: object) =>
    server.call(method, path.startsWith('/_matrix') ? path : `${V3}${path}`, {
      token: account.token,
      ...(body === undefined ? {} : { body }),
    })
  const ok = async (method: string, path: string, body?: object): Promise<Body> => {
    const reply = await ask(method, path, body)
    expect([method, path, reply.status, reply.status === 200 ? '' : reply.body]).toEqual([method, path, 200, ''])
    return reply.body
  }
  const state = (roomId: string, type: string, stateKey = '') =>
    ok('GET', `${roomPath(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`)
  return {
    ...account,
    ask,
    get: (path) => ok('GET', path),
    post: (path, body = {}) => ok('POST', path, body),
    put: (path, body = {}) => ok('PUT', path, body),
    delete: (path) => ok('DELETE', path),
    async refused(method, path, body) {
      const reply = await ask(method, path, body)
      return `${reply.status} ${reply.body.errcode}`
    },
    createRoom: async (body = {}) => (await ok('POST', '/createRoom', body)).room_id,
    state,
    membership: async (roomId, userId) => (await state(roomId, 'm.room.member', userId)).membership,
  }
}

export function roomPath(roomId: string): string {
  return `/rooms/${encodeURIComponent(roomId)}`
}
