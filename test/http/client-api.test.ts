import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import type { Account, TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'

/** Each is called with what the specification shows; the helpers hold the answers to its schemas. */
eachServer({}, (server) => {
  test('members of a room and its state', async () => {
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const wish = {
      preset: 'public_chat',
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }],
    }
    const { room_id: roomId } = await ask(server, alice, 'POST', '/createRoom', wish)
    const room = `/rooms/${encodeURIComponent(String(roomId))}`
    expect(await ask(server, bob, 'POST', `/knock/${encodeURIComponent(String(roomId))}`, {})).toEqual({
      room_id: roomId,
    })
    await ask(server, alice, 'POST', `${room}/invite`, { user_id: bob.userId })
    await ask(server, bob, 'POST', `/join/${encodeURIComponent(String(roomId))}`, {})
    expect(await ask(server, bob, 'GET', '/joined_rooms')).toEqual({ joined_rooms: [roomId] })
    const members = await ask(server, bob, 'GET', `${room}/members?membership=join`)
    expect(members.chunk).toHaveLength(2)

    await ask(server, alice, 'PUT', `${room}/state/m.room.topic`, { topic: 'Tea' })
    await ask(server, alice, 'PUT', `${room}/state/x.y/key`, { a: 1 })
    expect(await ask(server, bob, 'GET', `${room}/state/m.room.topic`)).toMatchObject({ topic: 'Tea' })
    expect(await ask(server, bob, 'GET', `${room}/state/x.y/key`)).toEqual({ a: 1 })
    expect(Object.values(await ask(server, bob, 'GET', `${room}/state`)).length).toBeGreaterThan(5)

    await ask(server, alice, 'POST', `${room}/kick`, { user_id: bob.userId })
    await ask(server, alice, 'POST', `${room}/leave`, {})
    await ask(server, alice, 'POST', `${room}/forget`, {})
    expect(await ask(server, alice, 'GET', '/joined_rooms')).toEqual({ joined_rooms: [] })
  })

  test('settings: account data, tags, filters', async () => {
    const carol = await server.register('carol')
    const { room_id: roomId } = await ask(server, carol, 'POST', '/createRoom', {})
    const own = `/user/${encodeURIComponent(carol.userId)}`
    const room = `${own}/rooms/${encodeURIComponent(String(roomId))}`
    for (const place of [own, room]) {
      await ask(server, carol, 'PUT', `${place}/account_data/x.y`, { colour: 'green' })
      expect(await ask(server, carol, 'GET', `${place}/account_data/x.y`)).toEqual({ colour: 'green' })
    }
    await ask(server, carol, 'PUT', `${room}/tags/m.favourite`, { order: 0.5 })
    expect(await ask(server, carol, 'GET', `${room}/tags`)).toEqual({ tags: { 'm.favourite': { order: 0.5 } } })
    await ask(server, carol, 'DELETE', `${room}/tags/m.favourite`)
    expect(await ask(server, carol, 'GET', `${room}/tags`)).toEqual({ tags: {} })
    const { filter_id: id } = await ask(server, carol, 'POST', `${own}/filter`, { room: { timeline: { limit: 3 } } })
    expect(await ask(server, carol, 'GET', `${own}/filter/${id}`)).toEqual({ room: { timeline: { limit: 3 } } })
  })

  test('push rules', async () => {
    const dave = await server.register('dave')
    const rule = '/pushrules/global/content/tea'
    await ask(server, dave, 'PUT', rule, { pattern: 'tea', actions: ['notify'] })
    await ask(server, dave, 'PUT', `${rule}/enabled`, { enabled: false })
    await ask(server, dave, 'PUT', `${rule}/actions`, { actions: [] })
    expect(await ask(server, dave, 'GET', `${rule}/enabled`)).toEqual({ enabled: false })
    expect(await ask(server, dave, 'GET', `${rule}/actions`)).toEqual({ actions: [] })
    expect(await ask(server, dave, 'GET', rule)).toMatchObject({ rule_id: 'tea', enabled: false, actions: [] })
    const { global } = await ask(server, dave, 'GET', '/pushrules/')
    expect(global).toEqual(await ask(server, dave, 'GET', '/pushrules/global/'))
    await ask(server, dave, 'DELETE', rule)
    expect((await server.call('GET', `${V3}${rule}`, { token: dave.token })).status).toBe(404)
  })
})

async function ask(server: TestServer, user: Account, method: string, path: string, body?: object) {
  const reply = await server.call(method, `${V3}${path}`, { token: user.token, body })
  expect([method, path, reply.status, reply.body.errcode]).toEqual([method, path, 200, undefined])
  return reply.body
}
