import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { eachServer } from '../../helpers/each-server.ts'
import { TEST_PASSWORD } from '../../helpers/server.ts'
import { sessionOf } from '../../helpers/session.ts'

const path = '/_synapse/admin/v1/registration_tokens'
const type = 'm.login.registration_token'

eachServer({ registration_requires_token: true, registration_shared_secret: 'hush' }, (server) => {
  async function enterAsAdmin(username: string) {
    const { nonce } = (await server.call('GET', '/_synapse/admin/v1/register')).body
    const text = [nonce, username, TEST_PASSWORD, 'admin'].join('\0')
    const mac = createHmac('sha1', 'hush').update(text).digest('hex')
    const body = { nonce, username, password: TEST_PASSWORD, admin: true, mac }
    const made = (await server.call('POST', '/_synapse/admin/v1/register', { body })).body
    return sessionOf(server, {
      userId: String(made.user_id),
      token: String(made.access_token),
      deviceId: String(made.device_id),
    })
  }

  const register = (username: string, token: string) =>
    server.call('POST', '/_matrix/client/v3/register', {
      body: { username, password: TEST_PASSWORD, auth: { type, token } },
    })

  test('an administrator makes tokens, changes them, and takes them back', async () => {
    const root = await enterAsAdmin('root')
    const made = await root.post(`${path}/new`, { token: 'guests', uses_allowed: 1 })
    expect(made).toEqual({ token: 'guests', uses_allowed: 1, pending: 0, completed: 0, expiry_time: null })
    expect((await register('anna', 'guests')).status).toBe(200)
    expect((await register('bert', 'guests')).status).toBe(401)
    expect(await root.get(`${path}/guests`)).toMatchObject({ completed: 1 })
    expect((await root.get(`${path}?valid=false`)).registration_tokens).toMatchObject([{ token: 'guests' }])

    expect(await root.put(`${path}/guests`, { uses_allowed: null })).toMatchObject({ uses_allowed: null, completed: 1 })
    expect((await root.get(`${path}?valid=true`)).registration_tokens).toHaveLength(1)
    expect((await register('bert', 'guests')).status).toBe(200)
    expect(await root.delete(`${path}/guests`)).toEqual({})
    expect((await register('carl', 'guests')).status).toBe(401)
    expect(await root.refused('GET', `${path}/guests`)).toBe('404 M_NOT_FOUND')
    expect((await root.get('/_dendrite/admin/registrationTokens')).registration_tokens).toEqual([])
  })

  test('a token without a name is random and as long as wanted', async () => {
    const root = await enterAsAdmin('root2')
    const [short, long] = [
      await root.post(`${path}/new`, { length: 8 }),
      await root.post(`${path}/new`, { length: 64 }),
    ]
    expect([short.token.length, long.token.length]).toEqual([8, 64])
    expect((await root.post(`${path}/new`)).token).toMatch(/^[\w-]{16}$/)
  })

  test('what makes no sense is refused, and everybody else is', async () => {
    const root = await enterAsAdmin('root3')
    for (const body of [{ length: 0 }, { length: 65 }, { token: '' }, { token: 'ä' }, { uses_allowed: -1 }]) {
      expect(await root.refused('POST', `${path}/new`, body)).toBe('400 M_BAD_JSON')
    }
    expect(await root.refused('POST', `${path}/new`, { expiry_time: 1 })).toBe('400 M_INVALID_PARAM')
    await root.post(`${path}/new`, { token: 'twin' })
    expect(await root.refused('POST', `${path}/new`, { token: 'twin' })).toBe('400 M_INVALID_PARAM')
    for (const method of ['PUT', 'DELETE']) {
      expect(await root.refused(method, `${path}/none`, {})).toBe('404 M_NOT_FOUND')
    }
    const made = (await register('user', 'twin')).body
    const user = sessionOf(server, { userId: '', deviceId: '', token: String(made.access_token) })
    for (const [method, at] of [
      ['GET', ''],
      ['POST', '/new'],
      ['GET', '/twin'],
      ['PUT', '/twin'],
      ['DELETE', '/twin'],
    ]) {
      expect(await user.refused(method!, `${path}${at}`, method === 'GET' ? undefined : {})).toBe('403 M_FORBIDDEN')
    }
  })
})
