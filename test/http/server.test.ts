import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(() => server.stop())

it('calls its JSON application/json, without a charset, in answers and in errors', async () => {
  const { headers } = await server.call('GET', '/_matrix/client/versions')
  expect(headers.get('Content-Type')).toBe('application/json')
  const unknown = await server.call('GET', '/_matrix/client/nothing')
  expect(unknown.status).toBe(404)
  expect(unknown.headers.get('Content-Type')).toBe('application/json')
})

it('stops at once though somebody opened a connection and asked nothing', async () => {
  const other = await startTestServer()
  const socket = connect(Number(new URL(other.url).port), '127.0.0.1')
  await once(socket, 'connect')
  expect((await other.call('GET', '/_matrix/client/versions')).status).toBe(200)
  const ended = once(socket, 'close')
  await other.stop()
  await ended
}, 15_000)

it('takes a path as it is written, and what may be left out at its end only where it may', async () => {
  const { token, userId } = await server.register('slash')
  const { room_id } = (await server.call('POST', `${V3}/createRoom`, { token, body: { name: 'one' } })).body
  const ask = async (method: string, path: string) => {
    const { status, body } = await server.call(method, path, { token, ...(method === 'GET' ? {} : { body: {} }) })
    return [status, body.errcode]
  }
  const room = `${V3}/rooms/${encodeURIComponent(String(room_id))}`
  for (const path of [
    `${room}/state/m.room.name`,
    `${room}/state/m.room.name/`,
    '/_matrix/key/v2/server',
    '/_matrix/key/v2/server/',
    '/_matrix/key/v2/server/ed25519:any',
    `/_matrix/key/v2/query/test.example/`,
  ])
    expect([path, ...(await ask('GET', path))]).toEqual([path, 200, undefined])
  for (const [method, path] of [
    ['GET', '/_matrix/client/versions/'],
    ['GET', `${V3}/sync/`],
    ['GET', `${V3}/pushrules`],
    ['GET', `${V3}/devices/`],
    ['GET', `${room}/state/m.room.name//`],
    ['PUT', `${V3}/profile/${userId}/`],
    ['PUT', `${V3}/user/${userId}/account_data/`],
    ['PUT', `${room}/send/m.room.message/`],
    ['POST', `${V3}/createRoom/`],
  ] as const)
    expect([path, ...(await ask(method, path))]).toEqual([path, 404, 'M_UNRECOGNIZED'])
  expect(await ask('DELETE', `${room}/state/m.room.name/`)).toEqual([405, 'M_UNRECOGNIZED'])
})
