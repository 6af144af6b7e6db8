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
    // Bob's join names a user of a server that has not signed it: rule 4.2.1 of version 10 and 5.2.1 of version 12.
    const content = { membership: 'join', join_authorised_via_users_server: '@carol:elsewhere.example' }
    for (const [version, signed, levels] of [
      ['10', '4.2.1', '9.3'],
      ['12', '5.2.1', '10.3'],
    ] as const) {
      const made = await server.call('POST', `${V3}/createRoom`, {
        token: alice.token,
        body: { preset: 'public_chat', room_version: version },
      })
      const state = (type: string, key: string) =>
        `${V3}/rooms/${encodeURIComponent(String(made.body.room_id))}/state/${type}/${encodeURIComponent(key)}`
      const joined = await server.call('PUT', state('m.room.member', bob.userId), { token: bob.token, body: content })
      expect([joined.status, joined.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      expect(joined.body.error).toContain(`(rule ${signed})`)
      // Without the name the same join is allowed.
      const body = { membership: 'join' }
      const plain = await server.call('PUT', state('m.room.member', bob.userId), { token: bob.token, body })
      expect(plain.status).toBe(200)
      const wrong = { users: { [bob.userId]: '50' } }
      const refused = await server.call('PUT', state('m.room.power_levels', ''), { token: alice.token, body: wrong })
      expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      expect(refused.body.error).toContain(`(rule ${levels})`)
    }
  })
})
