import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'

eachEngine((engine, fresh) => {
  let server: TestServer | undefined
  afterEach(() => server?.stop())

  test('a refusal names the rule by the number of its room version’s page', async () => {
    const { options, dir } = await fresh()
    server = await startTestServer(
      {},
      engine === 'postgres' ? options.connectionString : `file:${join(dir, 'rules.db')}`,
    )
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    // Whom bob's join names as voucher is for the server to say: it is left out.
    const content = { membership: 'join', join_authorised_via_users_server: '@carol:elsewhere.example' }
    for (const [version, levels] of [
      ['10', '9.3'],
      ['12', '10.3'],
    ] as const) {
      const made = await server.call('POST', `${V3}/createRoom`, {
        token: alice.token,
        body: { preset: 'public_chat', room_version: version },
      })
      const state = (type: string, key: string) =>
        `${V3}/rooms/${encodeURIComponent(String(made.body.room_id))}/state/${type}/${encodeURIComponent(key)}`
      const member = state('m.room.member', bob.userId)
      const joined = await server.call('PUT', member, { token: bob.token, body: content })
      expect(joined.status).toBe(200)
      const kept = await server.call('GET', member, { token: bob.token })
      expect(kept.body).toEqual({ displayname: 'bob', membership: 'join' })
      const wrong = { users: { [bob.userId]: '50' } }
      const refused = await server.call('PUT', state('m.room.power_levels', ''), { token: alice.token, body: wrong })
      expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      expect(refused.body.error).toContain(`(rule ${levels})`)
    }
  })
})
