import { afterEach, describe, expect, test } from 'vitest'
import { type EncryptedClient, encryptedClient, knowing, textOf } from '../helpers/encrypted-client.ts'
import { sdk, until as untilShown } from '../helpers/js-sdk.ts'
import { bodies, enterAt, hears, invited, joinBy, joinPath, logInAt, sees, until } from '../helpers/meeting.ts'
import { inRoom, type Json, type Session } from '../helpers/session.ts'
import type { Homeserver } from '../helpers/tls-servers.ts'
import { besideSynapse } from './beside-synapse.ts'

const VERSIONS = ['6', '10', '12']
/** More than are given with a join, and than one page of history has. */
const SAID_BEFORE = 30

besideSynapse((homeservers) => {
  describe.each(VERSIONS)('in rooms of version %s', (version) => {
    describe('of ours', () => stories(version, () => [homeservers.ours, homeservers.synapse]))
    describe('of Synapse', () => stories(version, () => [homeservers.synapse, homeservers.ours]))
  })
})

let users = 0

/** Rooms of the one server's users, to which those of the other one come. */
function stories(version: string, servers: () => readonly [Homeserver, Homeserver]): void {
  const running: EncryptedClient[] = []
  afterEach(() => {
    for (const { client } of running.splice(0)) client.stopClient()
  })

  const host = () => servers()[0]
  const guest = () => servers()[1]
  const enter = (server: Homeserver) => enterAt(server, `user${users++}`)
  const create = (user: Session, wish: object) => user.createRoom({ room_version: version, ...wish })

  test('they join, talk both ways, and read what was said before', async () => {
    const [alice, bob] = [await enter(host()), await enter(guest())]
    const roomId = await create(alice, { preset: 'public_chat', name: 'Open' })
    for (let n = 0; n < SAID_BEFORE; n++) await alice.send(roomId, `before ${n}`)
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
    expect(await bob.state(roomId, 'm.room.name')).toEqual({ name: 'Open' })
    await bob.send(roomId, 'from the guest')
    await hears(alice, roomId, 'from the guest')
    await alice.send(roomId, 'from the host')
    await hears(bob, roomId, 'from the host')
    expect(await wholeHistory(bob, roomId)).toEqual([
      ...Array.from({ length: SAID_BEFORE }, (_, n) => `before ${n}`),
      'from the guest',
      'from the host',
    ])

    expect(await bob.refused('PUT', `${inRoom(roomId)}/state/m.room.topic`, { topic: 'mine' })).toBe('403 M_FORBIDDEN')
    const levels = await alice.state(roomId, 'm.room.power_levels')
    await alice.setState(roomId, 'm.room.power_levels', { ...levels, users: { ...levels.users, [bob.userId]: 50 } })
    await until(async () => (await bob.state(roomId, 'm.room.power_levels')).users[bob.userId] === 50)
    await bob.setState(roomId, 'm.room.topic', { topic: 'ours' })
    await until(async () => (await alice.call('GET', `${inRoom(roomId)}/state/m.room.topic/`)).body.topic === 'ours')
  })

  test('they are invited, refuse, come, are sent out, and leave', async () => {
    const [alice, bob, carol] = [await enter(host()), await enter(guest()), await enter(guest())]
    const roomId = await create(alice, { preset: 'private_chat', name: 'Closed' })
    expect(await bob.refused('POST', joinPath(roomId, host()))).toBe('403 M_FORBIDDEN')
    for (const user of [bob, carol]) await alice.post(`${inRoom(roomId)}/invite`, { user_id: user.userId })
    const shown = await invited(bob, roomId)
    expect(shown.find((event: Json) => event.type === 'm.room.name')?.content).toEqual({ name: 'Closed' })
    await invited(carol, roomId)
    await carol.post(`${inRoom(roomId)}/leave`)
    await sees(alice, roomId, carol.userId, 'leave')
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
    await bob.send(roomId, 'here I am')
    await hears(alice, roomId, 'here I am')
    await alice.post(`${inRoom(roomId)}/kick`, { user_id: bob.userId, reason: 'enough' })
    await sees(bob, roomId, bob.userId, 'leave')
    expect(await bob.refused('PUT', `${inRoom(roomId)}/send/m.room.message/late`, {})).toBe('403 M_FORBIDDEN')
    expect(await bob.refused('POST', joinPath(roomId, host()))).toBe('403 M_FORBIDDEN')
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: bob.userId })
    await invited(bob, roomId)
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
    await bob.post(`${inRoom(roomId)}/leave`)
    await sees(alice, roomId, bob.userId, 'leave')
  })

  test.skipIf(version === '6')('who is in one room may join another', async () => {
    const [alice, bob, carol] = [await enter(host()), await enter(guest()), await enter(guest())]
    const club = await create(alice, { preset: 'public_chat' })
    const allow = [{ type: 'm.room_membership', room_id: club }]
    const rule = { type: 'm.room.join_rules', content: { join_rule: 'restricted', allow } }
    const roomId = await create(alice, { preset: 'private_chat', initial_state: [rule] })
    await joinBy(bob, club, host())
    await sees(alice, club, bob.userId, 'join')
    expect(await carol.refused('POST', joinPath(roomId, host()))).toBe('403 M_FORBIDDEN')
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
    // Their own server is in the room by now, and has nobody who may authorise.
    await joinBy(carol, club, host())
    await sees(alice, club, carol.userId, 'join')
    await joinBy(carol, roomId, host())
    await sees(alice, roomId, carol.userId, 'join')
    await carol.send(roomId, 'by way of the club')
    await hears(alice, roomId, 'by way of the club')
  })

  test('they talk in secret, also with devices that come later', async () => {
    const { EventType, MsgType } = await sdk()
    const encryption = { type: EventType.RoomEncryption, content: { algorithm: 'm.megolm.v1.aes-sha2' } }
    const device = async (server: Homeserver, account: Session) => {
      const opened = await encryptedClient(server, account, {})
      running.push(opened)
      return opened
    }
    const [account, other] = [await enter(host()), await enter(guest())]
    const [alice, bob] = [await device(host(), account), await device(guest(), other)]
    const roomId = await create(account, { preset: 'public_chat', initial_state: [encryption] })
    await joinBy(other, roomId, host())
    for (const { client } of [alice, bob]) {
      await untilShown(
        client,
        () => client.getRoom(roomId)?.getJoinedMemberCount() === 2 && client.isRoomEncrypted(roomId),
      )
    }
    const say = async ({ client }: EncryptedClient, body: string) =>
      (await client.sendMessage(roomId, { msgtype: MsgType.Text, body })).event_id
    expect(await textOf(bob, roomId, await say(alice, 'for bob'))).toBe('for bob')
    expect(await textOf(alice, roomId, await say(bob, 'for alice'))).toBe('for alice')

    const later = await logInAt(guest(), other.userId)
    const phone = await device(guest(), later)
    await knowing(alice, other.userId, ({ deviceId }) => deviceId === later.deviceId)
    expect(await textOf(phone, roomId, await say(alice, 'for the phone too'))).toBe('for the phone too')
    const stored = await bodies(account, roomId)
    expect(stored.every((body) => body === undefined)).toBe(true)
  })
}

/** The texts of the room from the first to the last, page by page. */
async function wholeHistory(user: Session, roomId: string): Promise<string[]> {
  const texts: string[] = []
  for (let from: string | undefined = ''; from !== undefined; ) {
    const page: Json = await user.get(`${inRoom(roomId)}/messages?dir=b&limit=10${from && `&from=${from}`}`)
    texts.push(...page.chunk.map((event: Json) => event.content.body))
    from = page.end
  }
  return texts.filter((text) => text !== undefined).reverse()
}
