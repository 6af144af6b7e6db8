import { createHmac } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { eachServer } from '../../helpers/each-server.ts'
import { startTestServer } from '../../helpers/server.ts'

const path = '/_synapse/admin/v1/register'
const password = 'a long password'

eachServer({ registration_disabled: true, registration_shared_secret: 'hush' }, (server) => {
  async function nonceOf(): Promise<string> {
    return String((await server.call('GET', path)).body.nonce)
  }

  function request(nonce: string, username: string, admin: boolean, secret = 'hush') {
    const text = [nonce, username, password, admin ? 'admin' : 'notadmin'].join('\0')
    return { nonce, username, password, admin, mac: createHmac('sha1', secret).update(text).digest('hex') }
  }

  test('the secret makes accounts while registration is closed, a nonce makes one', async () => {
    const nonce = await nonceOf()
    const made = await server.call('POST', path, { body: request(nonce, 'root', true) })
    expect([made.status, made.body.user_id]).toEqual([200, '@root:test.example'])
    const who = await server.call('GET', '/_matrix/client/v3/account/whoami', { token: String(made.body.access_token) })
    expect(who.status).toBe(200)
    const again = await server.call('POST', path, { body: request(nonce, 'other', false) })
    expect([again.status, again.body.errcode]).toEqual([400, 'M_UNKNOWN'])
    const taken = await server.call('POST', path, { body: request(await nonceOf(), 'root', false) })
    expect(taken.body.errcode).toBe('M_USER_IN_USE')
  })

  test('a wrong secret, a changed field and an invented nonce make nothing', async () => {
    const nonce = await nonceOf()
    const changed = { ...request(nonce, 'mallory', false), admin: true }
    for (const body of [request(nonce, 'mallory', false, 'guess'), changed]) {
      const refused = await server.call('POST', path, { body })
      expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    }
    const invented = await server.call('POST', path, { body: request('feed', 'mallory', false) })
    expect([invented.status, invented.body.errcode]).toEqual([400, 'M_UNKNOWN'])
  })

  test('without a secret in the configuration it is switched off', async () => {
    const closed = await startTestServer()
    const replies = [
      await closed.call('GET', path),
      await closed.call('POST', path, { body: request('n', 'eve', true, '') }),
    ]
    await closed.stop()
    for (const reply of replies) expect([reply.status, reply.body.errcode]).toEqual([400, 'M_UNKNOWN'])
  })

  test('a nonce is good for a minute', async () => {
    const nonce = await nonceOf()
    const later = server.app.clock.now() + 60_000
    const clock = vi.spyOn(server.app.clock, 'now').mockImplementation(() => later)
    const late = await server.call('POST', path, { body: request(nonce, 'late', false) })
    clock.mockRestore()
    expect([late.status, late.body.errcode]).toEqual([400, 'M_UNKNOWN'])
  })
})
