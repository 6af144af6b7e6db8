import { expect, test } from 'vitest'
import { eachServer } from '../../helpers/each-server.ts'
import { enter, enterAsAdmin, inRoom } from '../../helpers/session.ts'

const EVENTS = '/_synapse/admin/v1/event_reports'
const ALL = '/_dendrite/admin/reports'

eachServer({}, (server) => {
  test('administrators read what was reported, page by page, and drop what was dealt with', async () => {
    const [admin, alice] = [await enterAsAdmin(server, 'admin'), await enter(server, 'alice')]
    const roomId = await alice.createRoom()
    const eventId = await alice.send(roomId, 'rude')
    const room = inRoom(roomId)
    for (const reason of ['one', 'two', 'three'])
      await alice.post(`${room}/report/${encodeURIComponent(eventId)}`, { reason })
    await alice.post(`${room}/report`, { reason: 'the room' })
    await alice.post(`/users/${encodeURIComponent(alice.userId)}/report`, { reason: 'the user' })
    const first = await admin.get(`${EVENTS}?limit=2`)
    expect(first.total).toBe(3)
    expect(first.event_reports).toMatchObject([{ reason: 'three' }, { reason: 'two', room_id: roomId }])
    const second = await admin.get(`${EVENTS}?limit=2&from=${first.next_token}`)
    expect(second.event_reports).toMatchObject([{ reason: 'one', event_id: eventId, user_id: alice.userId }])
    expect(second.next_token).toBeUndefined()
    const { reports, total } = await admin.get(ALL)
    expect(total).toBe(5)
    expect(reports.map((report: { reason: string }) => report.reason)).toEqual([
      'the user',
      'the room',
      'three',
      'two',
      'one',
    ])
    expect((await admin.get(`${ALL}?kind=user`)).reports).toMatchObject([{ reported_user_id: alice.userId }])
    const { id } = first.event_reports[0]
    expect(await admin.get(`${EVENTS}/${id}`)).toMatchObject({ reason: 'three' })
    await admin.delete(`${EVENTS}/${id}`)
    await admin.delete(`${ALL}/${reports[0].id}`)
    expect(await admin.refusal('GET', `${EVENTS}/${id}`)).toBe('404 M_NOT_FOUND')
    expect(await admin.refusal('DELETE', `${ALL}/${reports[0].id}`)).toBe('404 M_NOT_FOUND')
    expect(await admin.refusal('GET', `${EVENTS}/${reports[1].id}`)).toBe('404 M_NOT_FOUND')
    expect((await admin.get(ALL)).total).toBe(3)
    for (const [method, path] of [
      ['GET', EVENTS],
      ['GET', `${EVENTS}/1`],
      ['DELETE', `${EVENTS}/1`],
      ['GET', ALL],
      ['DELETE', `${ALL}/1`],
    ] as const)
      expect([path, await alice.refusal(method, path)]).toEqual([path, '403 M_FORBIDDEN'])
  })
})
