import type { MatrixClient } from 'matrix-js-sdk'
import { afterEach, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter as enterOne, sdk, stopClients, until } from '../helpers/js-sdk.ts'

eachServer({}, (server) => {
  const clients: MatrixClient[] = []
  afterEach(async () => {
    await stopClients(clients.splice(0))
  })

  async function enter(...localparts: string[]): Promise<MatrixClient[]> {
    for (const localpart of localparts) clients.push(await enterOne(server, localpart))
    return clients
  }

  test('a space and its rooms are found and joined', async () => {
    const { EventType, JoinRule, Preset, RoomType, RestrictedAllowType } = await sdk()
    const [ada, ben] = await enter('ada', 'ben')
    const { room_id: space } = await ada!.createRoom({
      name: 'Village',
      preset: Preset.PublicChat,
      creation_content: { type: RoomType.Space },
    })
    const allow = [{ type: RestrictedAllowType.RoomMembership, room_id: space }]
    const { room_id: pub } = await ada!.createRoom({
      name: 'Pub',
      initial_state: [{ type: EventType.RoomJoinRules, content: { join_rule: JoinRule.Restricted, allow } }],
    })
    const { room_id: inner } = await ada!.createRoom({
      name: 'Side street',
      preset: Preset.PublicChat,
      creation_content: { type: RoomType.Space },
    })
    await ada!.sendStateEvent(space, EventType.SpaceChild, { via: ['test.example'], order: 'b' }, pub)
    await ada!.sendStateEvent(space, EventType.SpaceChild, { via: ['test.example'], order: 'a' }, inner)
    await ada!.sendStateEvent(inner, EventType.SpaceChild, { via: ['test.example'] }, space)
    await ben!.joinRoom(space)
    const { rooms } = await ben!.getRoomHierarchy(space)
    expect(rooms.map((room) => [room.name, room.room_type])).toEqual([
      ['Village', RoomType.Space],
      ['Side street', RoomType.Space],
      ['Pub', undefined],
    ])
    await ben!.joinRoom(pub)
    const room = await until(ben!, () => ben!.getRoom(pub) ?? undefined)
    expect([room.getMyMembership(), room.getJoinRule(), room.isSpaceRoom()]).toEqual(['join', 'restricted', false])
    const village = await until(ben!, () => ben!.getRoom(space) ?? undefined)
    expect(village.isSpaceRoom()).toBe(true)
    const children = village.currentState.getStateEvents(EventType.SpaceChild).map((event) => event.getStateKey())
    expect(children.sort()).toEqual([pub, inner].sort())
  }, 30_000)

  test('a knock is seen and let in', async () => {
    const { EventType, JoinRule, KnownMembership } = await sdk()
    const [cleo, dan] = await enter('cleo', 'dan')
    const { room_id: roomId } = await cleo!.createRoom({
      name: 'Study',
      initial_state: [{ type: EventType.RoomJoinRules, content: { join_rule: JoinRule.Knock } }],
    })
    await dan!.knockRoom(roomId, { reason: 'A question' })
    const outside = await until(dan!, () => dan!.getRoom(roomId) ?? undefined)
    expect([outside.getMyMembership(), outside.name]).toEqual([KnownMembership.Knock, 'Study'])
    const knocker = await until(cleo!, () => {
      const member = cleo!.getRoom(roomId)?.getMember(dan!.getUserId()!)
      return member?.membership === KnownMembership.Knock && member
    })
    expect(knocker.events.member?.getContent().reason).toBe('A question')
    await cleo!.invite(roomId, knocker.userId)
    await until(dan!, () => dan!.getRoom(roomId)?.getMyMembership() === KnownMembership.Invite)
    await dan!.joinRoom(roomId)
    await until(dan!, () => dan!.getRoom(roomId)?.getMyMembership() === KnownMembership.Join)
    await until(cleo!, () => cleo!.getRoom(roomId)?.getMember(dan!.getUserId()!)?.membership === KnownMembership.Join)
  }, 30_000)

  test('an upgraded room is followed', async () => {
    const { EventType, Preset } = await sdk()
    const [eva, fay] = await enter('eva', 'fay')
    const { room_id: old } = await eva!.createRoom({
      name: 'Hall',
      preset: Preset.PublicChat,
      room_version: '11',
      room_alias_name: 'hall',
    })
    await fay!.joinRoom('#hall:test.example')
    await fay!.setRoomTag(old, 'u.talk', { order: 0.25 })
    await until(fay!, () => fay!.getRoom(old)?.tags['u.talk'])
    const { replacement_room: next } = await eva!.upgradeRoom(old, '12')
    const tombstone = await until(
      fay!,
      () => fay!.getRoom(old)?.currentState.getStateEvents(EventType.RoomTombstone, '') ?? undefined,
    )
    expect(tombstone.getContent().replacement_room).toBe(next)
    await fay!.joinRoom(next)
    const room = await until(fay!, () => fay!.getRoom(next) ?? undefined)
    expect([room.name, room.getVersion(), room.findPredecessor()?.roomId]).toEqual(['Hall', '12', old])
    await until(fay!, () => fay!.getRoom(next)?.tags['u.talk'])
    expect(fay!.getRoomUpgradeHistory(next, true).map((known) => known.roomId)).toEqual([old, next])
    expect((await fay!.getRoomIdForAlias('#hall:test.example')).room_id).toBe(next)
  }, 30_000)
})
