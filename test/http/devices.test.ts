import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'

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
})
