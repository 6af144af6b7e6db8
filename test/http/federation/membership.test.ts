import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { buildEvent } from '../../../src/core/event.ts'
import type { RoomId, UserId } from '../../../src/core/ids.ts'
import { roomVersion } from '../../../src/core/room-version.ts'
import { federationPath } from '../../../src/remote/ask-server.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { enterAsGuest, type Json, type Session, sessionOf } from '../../helpers/session.ts'

let network: TestNetwork
let a: TestServer
let b: TestServer
let alice: Session
let bob: Session
beforeEach(async () => {
  network = createTestNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
  alice = sessionOf(a, await a.register('alice'))
  bob = sessionOf(b, await b.register('bob'))
})
afterEach(() => network.stop())

const path = (roomId: string, rest: string) => `/rooms/${encodeURIComponent(roomId)}/${rest}`

async function membershipOf(viewer: Session, roomId: string, userId: string): Promise<string> {
  const content = await viewer.get(path(roomId, `state/m.room.member/${encodeURIComponent(userId)}`))
  return content.membership
}

test('a guest does not stay in a room of another server that takes none, or none any more', async () => {
  const c = await network.start('c.example', undefined, { clientApi: { guests_disabled: false } })
  const guest = await enterAsGuest(c)
  const closed = await alice.createRoom({ preset: 'public_chat' })
  const open = await alice.createRoom({
    preset: 'public_chat',
    initial_state: [{ type: 'm.room.guest_access', content: { guest_access: 'can_join' } }],
  })
  const join = (roomId: string) => guest.call('POST', `/join/${encodeURIComponent(roomId)}?via=a.example`, {})
  expect((await join(closed)).body.errcode).toBe('M_GUEST_ACCESS_FORBIDDEN')
  expect((await join(open)).status).toBe(200)
  await settled(a, c)
  expect(await membershipOf(alice, closed, guest.userId)).toBe('leave')
  expect(await membershipOf(alice, open, guest.userId)).toBe('join')
  await alice.setState(open, 'm.room.guest_access', { guest_access: 'forbidden' })
  await settled(a, c)
  expect(await membershipOf(alice, open, guest.userId)).toBe('leave')
})

describe('an invite between servers', () => {
  test.each(['1', '6', '10', '11', '12'])(
    'arrives with what shows the room, and is taken (room version %s)',
    async (v) => {
      const roomId = await alice.createRoom({ room_version: v, name: 'Tea', invite: [bob.userId] })
      const request = network.carried.find(({ uri }) => uri.includes('/v2/invite/'))!
      const told: Json[] = JSON.parse(request.body!).invite_room_state
      expect(told.map((event) => event.type)).toContain('m.room.create')
      expect(told.filter((event) => event.signatures?.['a.example'] === undefined)).toEqual([])
      const sync = await bob.sync()
      const shown: Json[] = sync.rooms.invite[roomId].invite_state.events
      expect(shown.map((event) => event.type)).toEqual(expect.arrayContaining(['m.room.name', 'm.room.member']))
      expect(shown.at(-1)).toMatchObject({
        sender: alice.userId,
        state_key: bob.userId,
        content: { membership: 'invite' },
      })
      await bob.join(roomId)
      await settled(a, b)
      expect(await membershipOf(alice, roomId, bob.userId)).toBe('join')
      const after = await bob.sync(sync)
      expect(
        after.rooms.join[roomId].state.events.length + after.rooms.join[roomId].timeline.events.length,
      ).toBeGreaterThan(4)
    },
  )

  test('by the initial state of a room is asked of the server of the invited like any other', async () => {
    const content = { membership: 'invite', reason: 'tea' }
    const initial = [{ type: 'm.room.member', state_key: bob.userId, content }]
    const roomId = await alice.createRoom({ initial_state: initial })
    expect((await bob.sync()).rooms.invite[roomId]).toBeDefined()
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('invite')
  })

  test('that is taken back is gone', async () => {
    const roomId = await alice.createRoom({ invite: [bob.userId] })
    const invited = await bob.sync()
    expect(invited.rooms.invite[roomId]).toBeDefined()
    await alice.post(path(roomId, 'kick'), { user_id: bob.userId, reason: 'mistaken' })
    await settled(a, b)
    const after = await bob.sync(invited)
    const [event] = after.rooms.leave[roomId].timeline.events
    expect([event.sender, event.content]).toEqual([alice.userId, { membership: 'leave', reason: 'mistaken' }])
    expect((await bob.sync()).rooms?.invite ?? {}).toEqual({})
  })

  test('that is rejected shows so, also when its server is away', async () => {
    for (const away of [false, true]) {
      const roomId = await alice.createRoom({ invite: [bob.userId] })
      const invited = await bob.sync()
      network.cut('a.example', away)
      await bob.post(path(roomId, 'leave'))
      const [event] = (await bob.sync(invited)).rooms.leave[roomId].timeline.events
      expect([event.sender, event.content.membership]).toEqual([bob.userId, 'leave'])
      network.cut('a.example', false)
    }
  })

  test('is taken in its older form too', async () => {
    const roomId = await alice.createRoom({ room_version: '1', invite: [bob.userId] })
    const request = network.carried.find(({ uri }) => uri.includes('/v2/invite/'))!
    const { event } = JSON.parse(request.body!) as Json
    const uri = federationPath`/v1/invite/${roomId}/${event.event_id}`
    const older = { method: 'PUT', uri, content: event, wrapped: true } as const
    const answer = (await network.ask(a, 'b.example', older)) as Json
    expect(answer.event).toMatchObject({ event_id: event.event_id, state_key: bob.userId })
    expect(Object.keys(answer.event.signatures).sort()).toEqual(['a.example', 'b.example'])
  })

  test('is rejected, and the inviting server hears of it', async () => {
    const roomId = await alice.createRoom({ invite: [bob.userId] })
    const sync = await bob.sync()
    await bob.post(path(roomId, 'leave'))
    await settled(a, b)
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('leave')
    const after = await bob.sync(sync)
    expect(Object.keys(after.rooms?.leave ?? {})).toEqual([roomId])
    expect((await bob.sync()).rooms?.invite?.[roomId]).toBeUndefined()
  })

  test('is rejected also when the inviting server is gone for good', async () => {
    const roomId = await alice.createRoom({ invite: [bob.userId] })
    network.cut('a.example', true)
    await bob.post(path(roomId, 'leave'))
    expect((await bob.sync()).rooms?.invite?.[roomId]).toBeUndefined()
  })

  test('by a server that finds it malformed fails, and is not the fault of the client', async () => {
    const roomId = await alice.createRoom()
    network.answer(({ uri }) =>
      uri.includes('/invite/') ? { status: 400, content: { errcode: 'M_INVALID_PARAM', error: 'no' } } : undefined,
    )
    const refused = await alice.call('POST', path(roomId, 'invite'), { user_id: bob.userId })
    expect([refused.status, refused.body.errcode]).toEqual([502, 'M_UNKNOWN'])
  })

  test('is refused for nobody, and by a server that is away', async () => {
    const roomId = await alice.createRoom()
    const nobody = await alice.call('POST', path(roomId, 'invite'), { user_id: '@nobody:b.example' })
    expect([nobody.status, nobody.body.errcode]).toEqual([404, 'M_NOT_FOUND'])
    network.cut('b.example', true)
    const away = await alice.call('POST', path(roomId, 'invite'), { user_id: bob.userId })
    expect([away.status, away.body.errcode]).toEqual([502, 'M_UNKNOWN'])
  })
})

describe('a server that knows only the older forms', () => {
  test('is joined, invited and left', async () => {
    network.refuse((uri) => uri.startsWith('/_matrix/federation/v2/'))
    const roomId = await alice.createRoom({ room_version: '1', invite: [bob.userId] })
    await bob.join(roomId)
    await settled(a, b)
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('join')
    const other = await alice.createRoom({ room_version: '1', invite: [bob.userId] })
    await bob.post(path(other, 'leave'))
    await settled(a, b)
    expect(await membershipOf(alice, other, bob.userId)).toBe('leave')
  })
})

describe('members of other servers', () => {
  test('come by alias, leave, are kicked and banned', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'tea' })
    const joined = await bob.post(`/join/${encodeURIComponent('#tea:a.example')}`)
    expect(joined.room_id).toBe(roomId)
    await bob.post(path(roomId, 'leave'))
    await settled(a, b)
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('leave')
    await bob.post(`/join/${encodeURIComponent('#tea:a.example')}`)
    await settled(a, b)
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('join')
    const sync = await bob.sync()
    await alice.post(path(roomId, 'kick'), { user_id: bob.userId })
    await settled(a, b)
    expect(Object.keys((await bob.sync(sync)).rooms?.leave ?? {})).toEqual([roomId])
    await alice.post(path(roomId, 'ban'), { user_id: bob.userId })
    await settled(a, b)
    const again = await bob.call('POST', `/join/${encodeURIComponent('#tea:a.example')}`, {})
    expect([again.status, again.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })

  test.each(['10', '12'])('knock and are let in (room version %s)', async (version) => {
    const roomId = await alice.createRoom({
      room_version: version,
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
    })
    await bob.post(`/knock/${encodeURIComponent(roomId)}?via=a.example`)
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('knock')
    const shown: Json[] = (await bob.sync()).rooms.knock[roomId].knock_state.events
    expect(shown.map((event) => event.type)).toEqual(expect.arrayContaining(['m.room.create', 'm.room.join_rules']))
    await alice.post(path(roomId, 'invite'), { user_id: bob.userId })
    await bob.join(roomId)
    await settled(a, b)
    expect(await membershipOf(alice, roomId, bob.userId)).toBe('join')
  })

  test.each(['10', '12'])('take a knock back, or are refused (room version %s)', async (version) => {
    const knocked = async () => {
      const roomId = await alice.createRoom({
        room_version: version,
        initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
      })
      await bob.post(`/knock/${encodeURIComponent(roomId)}?via=a.example`)
      return roomId
    }
    const [mine, theirs] = [await knocked(), await knocked()]
    await bob.post(path(mine, 'leave'))
    await settled(a, b)
    expect(await membershipOf(alice, mine, bob.userId)).toBe('leave')
    const before = await bob.sync()
    await alice.post(path(theirs, 'kick'), { user_id: bob.userId, reason: 'no' })
    await settled(a, b)
    const [event] = (await bob.sync(before)).rooms.leave[theirs].timeline.events
    expect([event.sender, event.content]).toEqual([alice.userId, { membership: 'leave', reason: 'no' }])
  })

  test.each(['8', '9', '10', '11', '12'])(
    'join a restricted room of version %s that a member vouches for',
    async (version) => {
      const space = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'space' })
      const allow = [{ type: 'm.room_membership', room_id: space }]
      const roomId = await alice.createRoom({
        room_version: version,
        initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow } }],
      })
      const enter = () => bob.call('POST', `/join/${encodeURIComponent(roomId)}?via=a.example`, {})
      const before = await enter()
      expect([before.status, before.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      await bob.post(`/join/${encodeURIComponent('#space:a.example')}`)
      await settled(a, b)
      expect((await enter()).status).toBe(200)
      await settled(a, b)
      expect(await membershipOf(alice, roomId, bob.userId)).toBe('join')
      expect(await membershipOf(bob, roomId, bob.userId)).toBe('join')
    },
  )
})

test.each(['knock', 'join'] as const)(
  'a %s that was refused stays refused, and shows nothing of the room',
  async (membership) => {
    const roomId = await alice.createRoom({ name: 'Secret', room_version: '11' })
    const event = buildEvent(
      roomVersion('11')!,
      {
        roomId: roomId as RoomId,
        type: 'm.room.member',
        stateKey: bob.userId,
        sender: bob.userId as UserId,
        content: { membership },
        originServerTs: b.app.clock.now(),
        depth: 1,
        prevEvents: [],
        authEvents: [],
      },
      b.app.serverName,
      b.app.key,
    )
    const version = membership === 'join' ? 'v2' : 'v1'
    const uri = `/_matrix/federation/${version}/send_${membership}/${encodeURIComponent(roomId)}/${event.eventId}`
    const send = () => network.ask(b, 'a.example', { method: 'PUT', uri, content: event.pdu })
    for (let time = 0; time < 2; time++)
      await expect(send()).rejects.toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  },
)
