import { TEST_PASSWORD, type TestServer } from '../helpers/server.ts'
import { enter, enterAsAdmin, enterAsGuest, inRoom } from '../helpers/session.ts'
import type { Texts } from './shapes.ts'

/** Somewhere to be hostile: users and a room that another server shares. */
export interface Scene {
  readonly server: TestServer
  readonly peer: TestServer
  /** Of a user, an administrator and a guest: the first is who most requests come from. */
  readonly tokens: readonly string[]
  /** Of somebody who logs out, and comes again under another name. */
  spare: string
  readonly texts: Texts
}

let scenes = 0

export async function makeScene(server: TestServer, peer: TestServer): Promise<Scene> {
  const number = scenes++
  const alice = await enter(server, `alice${number}`)
  const bob = await enter(server, `bob${number}`)
  const guest = await enterAsGuest(server)
  const admin = await enterAsAdmin(server, `admin${number}`)
  const remote = await enter(peer, `remote${number}`)
  const alias = `#scene${number}:${server.app.serverName}`
  const newAlias = `#other${number}:${server.app.serverName}`
  const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Scene', room_alias_name: `scene${number}` })
  await bob.join(roomId)
  await remote.post(`/join/${encodeURIComponent(alias)}`)
  const eventIds = [await alice.send(roomId, 'something'), await bob.send(roomId, 'an answer')]
  const relation = { 'm.relates_to': { rel_type: 'm.thread', event_id: eventIds[0]! } }
  eventIds.push(await alice.send(roomId, { body: 'in a thread', msgtype: 'm.text', ...relation }))
  const { filter_id: filterId } = await alice.post(`/user/${encodeURIComponent(alice.userId)}/filter`, {})
  const { next_batch: token } = await alice.sync()
  const { start } = await alice.get(`${inRoom(roomId)}/messages?dir=b`)
  const users = [alice.userId, alice.userId, alice.userId, bob.userId, remote.userId, '@nobody:nowhere.example']
  const types = ['m.room.message', 'm.room.name', 'm.room.member', 'm.room.power_levels', 'm.reaction', 'org.example.x']
  const devices = [alice.deviceId, alice.deviceId, bob.deviceId, 'OTHER']
  return {
    server,
    peer,
    spare: await spareToken(server),
    tokens: [alice.token, alice.token, alice.token, bob.token, admin.token, guest.token],
    texts: new Map<string, readonly string[]>([
      ...['userId', 'user_id', 'user', 'state_key', 'stateKey', 'sender'].map((name) => [name, users] as const),
      ...['roomId', 'room_id', 'roomIdOrAlias', 'not_rooms', 'rooms'].map((name) => [name, [roomId]] as const),
      ...['eventId', 'event_id', 'threadRootId', 'v', 'event'].map((name) => [name, eventIds] as const),
      ...['roomAlias', 'room_alias', 'alias'].map((name) => [name, [alias, newAlias, '#x:nowhere.example']] as const),
      ...['eventType', 'type', 'types', 'not_types'].map((name) => [name, types] as const),
      ...['deviceId', 'device_id', 'devices'].map((name) => [name, devices] as const),
      ...['since', 'from', 'to', 'at', 'next_batch'].map((name) => [name, [token, start]] as const),
      ['filterId', [filterId, '0']],
      ['filter', ['{}', '{"limit":5}', '{"room":{"timeline":{"limit":1}}}', filterId]],
      ['ruleId', ['.m.rule.master', 'mine']],
      ['pattern', ['tea', '*']],
      ['algorithm', ['m.megolm_backup.v1.curve25519-aes-sha2']],
      ['serverName', [server.app.serverName, peer.app.serverName, 'nowhere.example']],
      ['receiptType', ['m.read', 'm.read.private', 'm.fully_read']],
      ['keyName', ['displayname', 'avatar_url', 'm.tz']],
      ['relType', ['m.thread', 'm.annotation', 'm.replace']],
      ['kind', ['content', 'override', 'room', 'sender', 'underride']],
      ['dir', ['b', 'f']],
      ['password', [TEST_PASSWORD]],
      ['version', ['1', '10', '12']],
      ['key', [alice.userId, bob.userId, roomId, 'signed_curve25519:AAAA', 'ed25519:1', 'm.room.name', 'key']],
    ]),
  }
}

export async function spareToken(server: TestServer): Promise<string> {
  return (await server.register(`spare${scenes++}`)).token
}
