import { describe, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, inRoom, type Json } from '../helpers/session.ts'

eachServer({}, (server) => {
  describe('an upgrade', () => {
    test.each([
      ['10', '11'],
      ['11', '12'],
      ['12', '12'],
      ['12', '11'],
    ])('from version %s to %s moves state, bans, aliases and the place in the directory', async (from, to) => {
      const mark = `${from}to${to}`
      const ada = await enter(server, `ada${mark}`)
      const [mod, eve] = [await enter(server, `mod${mark}`), await enter(server, `eve${mark}`)]
      const alias = `#hall${mark}:test.example`
      const old = await ada.createRoom({
        room_version: from,
        preset: 'public_chat',
        visibility: 'public',
        name: 'Hall',
        topic: 'Talk',
        room_alias_name: `hall${mark}`,
        creation_content: { 'm.federate': false, type: 'm.space', 'org.example.x': 1 },
        initial_state: [
          { type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
          { type: 'm.room.server_acl', content: { allow: ['*'] } },
          { type: 'm.room.avatar', content: { url: 'mxc://test.example/a' } },
          { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } },
          { type: 'm.room.guest_access', content: { guest_access: 'can_join' } },
          { type: 'm.room.join_rules', content: { join_rule: 'knock' } },
          { type: 'm.space.child', state_key: '!child:x', content: { via: ['x'] } },
          { type: 'm.space.child', state_key: '!gone:x', content: {} },
          { type: 'org.example', content: { private: true } },
        ],
      })
      await ada.post(`${inRoom(old)}/invite`, { user_id: mod.userId })
      await mod.join(old)
      const levels = await ada.state(old, 'm.room.power_levels')
      await ada.setState(old, 'm.room.power_levels', {
        ...levels,
        users: { ...levels.users, [mod.userId]: 50 },
        events: { ...levels.events, 'm.room.name': 25 },
      })
      await ada.post(`${inRoom(old)}/ban`, { user_id: eve.userId, reason: 'noise' })
      const listed = await ada.state(old, 'm.room.canonical_alias')
      expect(await mod.refused('POST', `${inRoom(old)}/upgrade`, { new_version: to })).toBe('403 M_FORBIDDEN')

      const { replacement_room: next } = await ada.post(`${inRoom(old)}/upgrade`, { new_version: to })
      expect(await ada.state(old, 'm.room.tombstone')).toMatchObject({ replacement_room: next })
      const tombstone = await ada.get(`${inRoom(old)}/state/m.room.tombstone?format=event`)
      expect(await ada.state(next, 'm.room.create')).toEqual({
        'm.federate': false,
        type: 'm.space',
        room_version: to,
        predecessor: to === '12' ? { room_id: old } : { room_id: old, event_id: tombstone.event_id },
        ...(to === '10' ? { creator: ada.userId } : {}),
      })
      for (const type of ['name', 'topic', 'encryption', 'server_acl', 'avatar', 'join_rules', 'guest_access']) {
        expect(await ada.state(next, `m.room.${type}`)).toEqual(await ada.state(old, `m.room.${type}`))
      }
      expect(await ada.state(next, 'm.room.history_visibility')).toEqual({ history_visibility: 'world_readable' })
      expect(await ada.state(next, 'm.space.child', '!child:x')).toEqual({ via: ['x'] })
      expect(await ada.refused('GET', `${inRoom(next)}/state/m.space.child/!gone:x`)).toBe('404 M_NOT_FOUND')
      expect(await ada.refused('GET', `${inRoom(next)}/state/org.example`)).toBe('404 M_NOT_FOUND')
      expect(await ada.state(next, 'm.room.member', eve.userId)).toEqual({ membership: 'ban', reason: 'noise' })

      const moved = await ada.state(next, 'm.room.power_levels')
      expect(moved.events['m.room.name']).toBe(25)
      expect(moved.users).toEqual(
        to === '12' ? { [mod.userId]: 50 } : { [mod.userId]: 50, [ada.userId]: from === '12' ? 150 : 100 },
      )
      expect(moved.events['m.room.tombstone']).toBeGreaterThan(moved.state_default)
      const closed = await ada.state(old, 'm.room.power_levels')
      expect([closed.events_default, closed.invite]).toEqual([50, 50])

      expect(await ada.get(`/directory/room/${encodeURIComponent(alias)}`)).toMatchObject({ room_id: next })
      expect(await ada.state(next, 'm.room.canonical_alias')).toEqual(listed)
      expect(await ada.state(old, 'm.room.canonical_alias')).toEqual({})
      const visibility = async (room: string) =>
        (await ada.get(`/directory/list/room/${encodeURIComponent(room)}`)).visibility
      expect([await visibility(old), await visibility(next)]).toEqual(['private', 'public'])
      expect((await ada.sync()).rooms.join[next].timeline.events.at(-1)).toBeDefined()
      await ada.send(next, 'we go on here')
    })

    test('keeps the levels of a room that a moderator upgrades, to the number', async () => {
      const [cas, ned] = [await enter(server, 'cas'), await enter(server, 'ned')]
      const room = await cas.createRoom({ room_version: '10', preset: 'public_chat' })
      await ned.join(room)
      const levels = await cas.state(room, 'm.room.power_levels')
      await cas.setState(room, 'm.room.power_levels', {
        ...levels,
        users: { ...levels.users, [ned.userId]: 50 },
        events: { ...levels.events, 'm.room.tombstone': 50 },
      })
      const before = await cas.state(room, 'm.room.power_levels')
      await cas.setState(room, 'm.room.server_acl', { allow: ['*'] })
      const { replacement_room: next } = await ned.post(`${inRoom(room)}/upgrade`, { new_version: '11' })
      expect(await ned.state(next, 'm.room.power_levels')).toEqual(before)
      expect(await ned.state(next, 'm.room.server_acl')).toEqual({ allow: ['*'] })
      // A moderator may not close the old room.
      expect(await ned.state(room, 'm.room.power_levels')).toEqual(before)
    })

    test('names further creators in version 12, and leaves them out of the levels', async () => {
      const [dot, pat] = [await enter(server, 'dot'), await enter(server, 'pat')]
      const room = await dot.createRoom({
        room_version: '9',
        power_level_content_override: { users: { [dot.userId]: '100', [pat.userId]: '100' }, kick: ' 60 ' },
        initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'restricted', allow: [] } }],
      })
      const upgrade = { new_version: '12', additional_creators: [pat.userId, dot.userId] }
      const { replacement_room: next } = await dot.post(`${inRoom(room)}/upgrade`, upgrade)
      expect((await dot.state(next, 'm.room.create')).additional_creators).toEqual([pat.userId])
      const levels = await dot.state(next, 'm.room.power_levels')
      expect([levels.users, levels.kick]).toEqual([{}, 60])
      const { replacement_room: older } = await dot.post(`${inRoom(next)}/upgrade`, { new_version: '6' })
      expect(await dot.state(older, 'm.room.join_rules')).toEqual({ join_rule: 'invite' })
      expect((await dot.state(older, 'm.room.power_levels')).users).toEqual({
        [dot.userId]: 100,
        [pat.userId]: 100,
      })
      expect(await dot.state(older, 'm.room.create')).toMatchObject({ creator: dot.userId })
    })

    test('takes along what members have set for the room, when they follow', async () => {
      const [ida, tom] = [await enter(server, 'ida'), await enter(server, 'tom')]
      const room = await ida.createRoom({ room_version: '11', preset: 'public_chat' })
      await tom.join(room)
      const data = (name: string) => `/user/${encodeURIComponent(tom.userId)}/account_data/${name}`
      const tags = (roomId: string) => `/user/${encodeURIComponent(tom.userId)}${inRoom(roomId)}/tags`
      await tom.put(data('m.direct'), { [ida.userId]: [room, '!other:x'] })
      await tom.put(`${tags(room)}/u.work`, { order: 0.5 })
      const rule = (kind: string, roomId: string) => `/pushrules/global/${kind}/${encodeURIComponent(roomId)}`
      await tom.put(rule('room', room), { actions: ['notify'] })
      const here = { kind: 'event_match', key: 'room_id', pattern: room }
      await tom.put(rule('override', room), { actions: [], conditions: [here] })
      const { replacement_room: next } = await ida.post(`${inRoom(room)}/upgrade`, { new_version: '12' })
      await tom.join(next)
      await tom.join(next)
      expect(await tom.get(data('m.direct'))).toEqual({ [ida.userId]: [room, '!other:x', next] })
      expect(await tom.get(tags(next))).toEqual({ tags: { 'u.work': { order: 0.5 } } })
      expect(await tom.get(rule('room', next))).toMatchObject({ actions: ['notify'] })
      expect((await tom.get(rule('override', next))).conditions).toEqual([{ ...here, pattern: next }])
      const again = await tom.get('/pushrules/global/')
      expect(again.room.filter((known: Json) => known.rule_id === next)).toHaveLength(1)
    })

    test('moves more bans than one commit takes', async () => {
      const kim = await enter(server, 'kim')
      const banned = Array.from({ length: 150 }, (_, n) => `@spam${n}:elsewhere`)
      const room = await kim.createRoom({
        room_version: '11',
        initial_state: banned.map((state_key) => ({
          type: 'm.room.member',
          state_key,
          content: { membership: 'ban' },
        })),
      })
      const { replacement_room: next } = await kim.post(`${inRoom(room)}/upgrade`, { new_version: '12' })
      const { chunk } = await kim.get(`${inRoom(next)}/members?membership=ban`)
      expect(chunk.map((event: Json) => event.state_key).sort()).toEqual([...banned].sort())
    })

    test('asked for again by the same user, is the one that was', async () => {
      const uma = await enter(server, 'uma')
      const room = await uma.createRoom({ room_version: '11' })
      const ask = (new_version: string) => uma.post(`${inRoom(room)}/upgrade`, { new_version })
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask('12')))
      const next = new Set(answers.map((answer) => answer.replacement_room))
      expect(next.size).toBe(1)
      expect((await uma.get('/joined_rooms')).joined_rooms).toEqual([room, ...next])
      expect(next).not.toContain((await ask('10')).replacement_room)
    })

    test('is refused for what is not known, and changes nothing then', async () => {
      const [lea, max] = [await enter(server, 'lea'), await enter(server, 'max')]
      const room = await lea.createRoom({ preset: 'public_chat' })
      await max.join(room)
      const refused = (body: object, roomId = room, who = lea) => who.refused('POST', `${inRoom(roomId)}/upgrade`, body)
      expect(await refused({ new_version: 'none' })).toBe('400 M_UNSUPPORTED_ROOM_VERSION')
      expect(await refused({})).toBe('400 M_MISSING_PARAM')
      expect(await refused({ new_version: '12', additional_creators: ['x'] })).toBe('400 M_INVALID_PARAM')
      expect(await refused({ new_version: '12' }, '!none:x')).toBe('404 M_NOT_FOUND')
      expect(await refused({ new_version: '12' }, room, max)).toBe('403 M_FORBIDDEN')
      expect((await lea.get('/joined_rooms')).joined_rooms).toEqual([room])
      const self = { replacement_room: room }
      expect(await lea.refused('PUT', `${inRoom(room)}/state/m.room.tombstone`, self)).toBe('400 M_INVALID_PARAM')
    })
  })
})
