import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { inRoom, type Json, type Session, sessionOf } from '../helpers/session.ts'

eachServer({}, (server) => {
  let people = 0
  const person = async (): Promise<Session> => sessionOf(server, await server.register(`person${people++}`))
  const idsOf = (events: Json): string[] => events.map((event: Json) => event.event_id)

  test('the event stream wakes, goes on from its token, and keeps to the rooms of the user', async () => {
    const [alice, bob, eve] = [await person(), await person(), await person()]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    const { end } = await bob.get('/events?timeout=0')
    const [poll, eves] = [bob.get(`/events?from=${end}&timeout=30000`), eve.get(`/events?from=${end}&timeout=0`)]
    const first = await alice.send(roomId, 'first')
    const heard = await poll
    expect([heard.start, idsOf(heard.chunk)]).toEqual([end, [first]])
    expect(heard.chunk[0].room_id).toBe(roomId)
    expect((await eves).chunk).toEqual([])
    const second = await alice.send(roomId, 'second')
    expect(idsOf((await bob.get(`/events?from=${heard.end}&timeout=0`)).chunk)).toEqual([second])
    expect(idsOf((await bob.get(`/events?from=${end}`)).chunk)).toEqual([first, second])
    const peek = `/events?room_id=${encodeURIComponent(roomId)}&from=${end}`
    expect((await eve.call('GET', peek)).status).toBe(403)
    await alice.setState(roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    const third = await alice.send(roomId, 'third')
    expect(idsOf((await eve.get(peek)).chunk)).toContain(third)
    expect(idsOf((await eve.get(peek)).chunk)).not.toContain(first)

    expect((await bob.get(`/events/${second}`)).content.body).toBe('second')
    expect((await eve.call('GET', `/events/${second}`)).status).toBe(404)
    expect((await bob.call('GET', '/events?from=nonsense')).body.errcode).toBe('M_INVALID_PARAM')
  })

  test('an initial sync has messages in their order, the state, and what the user left only if asked for', async () => {
    const [alice, bob] = [await person(), await person()]
    const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Tea' })
    const left = await alice.createRoom({ preset: 'public_chat' })
    const invited = await bob.createRoom({ invite: [alice.userId] })
    await alice.post(`${inRoom(left)}/leave`)
    const sent = [await alice.send(roomId, '1'), await alice.send(roomId, '2')]
    await alice.put(`/user/${alice.userId}/rooms/${roomId}/account_data/com.example`, { mine: true })
    const answer = await alice.get('/initialSync?limit=2')
    const room = answer.rooms.find((info: Json) => info.room_id === roomId)
    expect(idsOf(room.messages.chunk)).toEqual(sent)
    expect(room).toMatchObject({ membership: 'join', visibility: 'private' })
    expect(room.state.map((event: Json) => event.type)).toContain('m.room.name')
    expect(room.account_data).toEqual([{ type: 'com.example', content: { mine: true } }])
    const membershipOf = (info: Json, id: string) => info.rooms.find((item: Json) => item.room_id === id)?.membership
    expect([membershipOf(answer, invited), membershipOf(answer, left)]).toEqual(['invite', undefined])
    expect(membershipOf(await alice.get('/initialSync?archived=true'), left)).toBe('leave')
    const earlier = await alice.get(`${inRoom(roomId)}/messages?dir=b&from=${room.messages.start}&limit=1`)
    expect(earlier.chunk[0].type).toBe('m.room.name')
    expect((await alice.get(`/events?from=${answer.end}&timeout=0`)).chunk).toEqual([])

    expect(idsOf((await alice.get(`${inRoom(roomId)}/initialSync?limit=2`)).messages.chunk)).toEqual(sent)
    expect((await bob.call('GET', `${inRoom(roomId)}/initialSync`)).status).toBe(403)
  })
})
