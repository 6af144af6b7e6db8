import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { inRoom, type Json, sessionOf } from '../helpers/session.ts'

eachServer({}, (server) => {
  test('what notified the user is listed newest first, page by page, and says what is read', async () => {
    const [alice, bob] = [
      sessionOf(server, await server.register('alice')),
      sessionOf(server, await server.register('bob')),
    ]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const before = await alice.send(roomId, 'before bob came')
    await bob.join(roomId)
    const sent: string[] = []
    for (let n = 0; n < 5; n++) sent.push(await alice.send(roomId, `${n}`))
    await bob.send(roomId, 'my own')
    const mention = { msgtype: 'm.text', body: 'bob!', 'm.mentions': { user_ids: [bob.userId] } }
    sent.push(await alice.send(roomId, mention))
    await alice.send(roomId, { n: 1 }, 'com.example.silent')

    const pages: Json[] = []
    let from = ''
    do {
      const page = await bob.get(`/notifications?limit=2${from}`)
      expect(page.notifications.length).toBeLessThanOrEqual(2)
      pages.push(...page.notifications)
      from = page.next_token === undefined ? '' : `&from=${page.next_token}`
    } while (from !== '')
    expect(pages.map((item) => item.event.event_id)).toEqual([...sent].reverse())
    expect(JSON.stringify(pages)).not.toContain(before)
    expect(pages.map((item) => item.read)).not.toContain(true)
    expect(pages[0]).toMatchObject({ room_id: roomId, actions: expect.arrayContaining(['notify']) })

    await bob.post(`${inRoom(roomId)}/receipt/m.read.private/${sent[2]}`)
    const { notifications } = await bob.get('/notifications')
    expect(notifications.map((item: Json) => item.read)).toEqual([false, false, false, true, true, true])
    const highlights = await bob.get('/notifications?only=highlight')
    expect(highlights.notifications.map((item: Json) => item.event.event_id)).toEqual(sent.slice(-1))
    expect((await alice.get('/notifications')).notifications).toHaveLength(1)
    for (const query of ['from=x', 'limit=0', 'from=-1'])
      expect((await bob.call('GET', `/notifications?${query}`)).body.errcode).toBe('M_INVALID_PARAM')
    await bob.post(`${inRoom(roomId)}/leave`)
    expect((await bob.get('/notifications')).notifications).toEqual([])
  })
})
