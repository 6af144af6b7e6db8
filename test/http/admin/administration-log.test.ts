import { expect, test, vi } from 'vitest'
import { eachServer } from '../../helpers/each-server.ts'
import { enter, enterAsAdmin } from '../../helpers/session.ts'

const V1 = '/_synapse/admin/v1'

eachServer({}, (server) => {
  test('what administrators change is noted, and what they read of what others say or keep', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root'), await enter(server, 'ann')]
    const roomId = await ann.createRoom()
    const eventId = await ann.send(roomId, 'between us')
    const info = vi.spyOn(server.app.log, 'info')
    const noted = () =>
      info.mock.calls.flatMap(([what, name]: readonly unknown[]) => (name === 'administration' ? [what] : []))
    for (const path of [
      `rooms/${encodeURIComponent(roomId)}/messages`,
      `rooms/${encodeURIComponent(roomId)}/timestamp_to_event?ts=1&dir=f`,
      `rooms/${encodeURIComponent(roomId)}/state`,
      `fetch_event/${encodeURIComponent(eventId)}`,
      `users/${ann.userId}/accountdata`,
    ])
      await root.get(`${V1}/${path}`)
    await root.refusal('GET', `${V1}/fetch_event/$none`)
    await root.put(`${V1}/rooms/${encodeURIComponent(roomId)}/block`, { block: false })
    const by = { admin: root.userId, ip: expect.any(String), outcome: 'done' }
    const inRoom = { ...by, of: { roomId } }
    expect(noted()).toEqual([
      { ...inRoom, what: `GET ${V1}/rooms/{roomId}/messages` },
      { ...inRoom, what: `GET ${V1}/rooms/{roomId}/timestamp_to_event` },
      { ...inRoom, what: `GET ${V1}/rooms/{roomId}/state` },
      { ...by, of: { eventId }, what: `GET ${V1}/fetch_event/{eventId}` },
      { ...by, of: { userId: ann.userId }, what: `GET ${V1}/users/{userId}/accountdata` },
      { ...by, of: { eventId: '$none' }, what: `GET ${V1}/fetch_event/{eventId}`, outcome: 'M_NOT_FOUND' },
      { ...inRoom, what: `PUT ${V1}/rooms/{roomId}/block` },
    ])
    // What is no secret to an administrator is not.
    await root.get(`${V1}/rooms`)
    await root.get(`${V1}/rooms/${encodeURIComponent(roomId)}`)
    expect(noted()).toHaveLength(7)
    info.mockRestore()
  })
})
