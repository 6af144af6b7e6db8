import { expect, test } from 'vitest'
import { type Sql, sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const devices = '/_matrix/client/v3/devices'

eachServer({}, (server) => {
  test('a user lists and renames the own devices, and sees no one else’s', async () => {
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const path = `${devices}/${alice.deviceId}`
    const named = await server.call('PUT', path, { token: alice.token, body: { display_name: 'Desk' } })
    expect(named.status).toBe(200)
    const listed = await server.call('GET', devices, { token: alice.token })
    expect(listed.body.devices).toMatchObject([{ device_id: alice.deviceId, display_name: 'Desk' }])
    const one = await server.call('GET', path, { token: alice.token })
    expect(one.body).toMatchObject({ device_id: alice.deviceId, display_name: 'Desk' })
    for (const [method, body] of [['GET'], ['PUT', { display_name: 'Mine' }]] as const) {
      const foreign = await server.call(method, path, { token: bob.token, body })
      expect([foreign.status, foreign.body.errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
  })

  test('a device says when and from where it was seen last', async () => {
    const before = Date.now()
    const erin = await server.register('erin')
    const seen = async () => (await server.call('GET', `${devices}/${erin.deviceId}`, { token: erin.token })).body
    // The request that is noted does not wait for it.
    while ((await seen()).last_seen_ip === undefined) {}
    expect(await seen()).toMatchObject({ last_seen_ip: '127.0.0.1', last_seen_ts: expect.any(Number) })
    expect((await seen()).last_seen_ts).toBeGreaterThanOrEqual(before)
    // It is not written at every request.
    const noted = (await seen()).last_seen_ts
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await seen()).last_seen_ts).toBe(noted)
  })

  const KEPT = ['device_keys', 'one_time_keys', 'fallback_keys', 'to_device', 'pushers'] as const

  test('what a device had goes with it, and with it alone', async () => {
    const carol = await server.register('carol')
    const identifier = { type: 'm.id.user', user: 'carol' }
    const login = { type: 'm.login.password', identifier, password: TEST_PASSWORD }
    const phone = (await server.call('POST', '/_matrix/client/v3/login', { body: login })).body
    const kept = await belongings(carol.userId, carol.deviceId)
    const gone = await belongings(carol.userId, String(phone.device_id))
    await server.app.db.commit({ guards: [], writes: [...kept, ...gone], log: [] })
    await server.call('POST', '/_matrix/client/v3/logout', { token: String(phone.access_token) })
    const left = sql`SELECT device_id FROM device_keys UNION ALL SELECT device_id FROM one_time_keys
      UNION ALL SELECT device_id FROM fallback_keys UNION ALL SELECT device_id FROM to_device
      UNION ALL SELECT app_id FROM pushers`
    const rows = await server.app.db.read(left)
    expect(rows.map((row) => row.device_id)).toEqual(KEPT.map(() => carol.deviceId))
  })

  async function belongings(userId: string, deviceId: string): Promise<Sql[]> {
    const id = await server.app.db.nextId('test')
    return [
      sql`INSERT INTO device_keys (user_id, device_id, keys, position) VALUES (${userId}, ${deviceId}, ${'{}'}, ${1})`,
      sql`INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, uploaded)
        VALUES (${userId}, ${deviceId}, ${'a'}, ${'b'}, ${'{}'}, ${1})`,
      sql`INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key)
        VALUES (${userId}, ${deviceId}, ${'a'}, ${'b'}, ${'{}'})`,
      sql`INSERT INTO to_device (position, user_id, device_id, sender, type, content)
        VALUES (${id}, ${userId}, ${deviceId}, ${userId}, ${'x'}, ${'{}'})`,
      sql`INSERT INTO pushers (user_id, app_id, pushkey, session, kind, data, created_ts, position)
        VALUES (${userId}, ${deviceId}, ${'k'}, (SELECT session FROM sessions WHERE user_id = ${userId}
          AND device_id = ${deviceId}), ${'http'}, ${'{}'}, ${1}, ${1})`,
    ]
  }
})
