import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, type Json } from '../helpers/session.ts'

eachServer(
  {},
  (server) => {
    test('a name in the text highlights unless the event says whom it mentions; rules can be changed', async () => {
      const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
      const roomId = await alice.createRoom({ preset: 'public_chat' })
      await bob.join(roomId)
      const highlights = async () => {
        const { notifications } = await bob.get('/notifications?only=highlight')
        return notifications.map((item: Json) => item.event.event_id)
      }
      const mention = await alice.send(roomId, 'are you there, Bob?')
      await alice.send(roomId, { msgtype: 'm.text', body: 'bob was here', 'm.mentions': {} })
      expect(await highlights()).toEqual([mention])
      await bob.put('/pushrules/global/content/.m.rule.contains_user_name/enabled', { enabled: false })
      await bob.put(`/profile/${bob.userId}/displayname`, { displayname: 'Robert' })
      await alice.send(roomId, 'again, bob?')
      const named = await alice.send(roomId, 'Robert!')
      expect((await highlights())[0]).toBe(named)
      const answer = await bob.sync()
      expect(answer.rooms.join[roomId].unread_notifications).toEqual({ notification_count: 2, highlight_count: 1 })
      const rules = answer.account_data.events.find((event: Json) => event.type === 'm.push_rules').content.global
      expect(rules).toEqual((await bob.get('/pushrules/')).global)
      expect(rules.content).toMatchObject([{ rule_id: '.m.rule.contains_user_name', pattern: 'bob', enabled: false }])
    })
  },
  { userApi: { legacy_mentions: true } },
)
