import { afterEach, describe, expect, test } from 'vitest'
import {
  compareEmoji,
  type EncryptedClient,
  encryptedClient,
  setUpIdentity,
  trusting,
  verificationRequest,
} from '../helpers/encrypted-client.ts'
import { sdk, until as untilShown } from '../helpers/js-sdk.ts'
import { bodies, enterAt, hears, invited, joinBy, joinPath, sees, sessionAt, shown, until } from '../helpers/meeting.ts'
import { inRoom, type Json, type Session } from '../helpers/session.ts'
import { besideSynapse, type Make, type Neighbours } from './beside-synapse.ts'

const MISSED = 60
const AT_ONCE = 10

besideSynapse((homeservers) => {
  describe('users of ours in rooms of Synapse', () => stories(homeservers, 'synapse', 'ours'))
  describe('users of Synapse in rooms of ours', () => stories(homeservers, 'ours', 'synapse'))
})

let users = 0

/** What happens in rooms of the one server's users, to which those of the other one come. */
function stories(homeservers: Neighbours, hostMake: Make, guestMake: Make): void {
  const running: EncryptedClient[] = []
  afterEach(() => {
    for (const { client } of running.splice(0)) client.stopClient()
  })

  const host = () => homeservers[hostMake]
  const guest = () => homeservers[guestMake]
  const hosted = () => enterAt(host(), `host${users++}`)
  const visiting = () => enterAt(guest(), `guest${users++}`)

  /** A room that is open to everybody, and two who are in it. */
  async function together(wish: object = {}): Promise<readonly [Session, Session, string]> {
    const [alice, bob] = [await hosted(), await visiting()]
    const roomId = await alice.createRoom({ preset: 'public_chat', ...wish })
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
    return [alice, bob, roomId]
  }

  test('what both say and decide at the same time, both know in the end', async () => {
    const [alice, bob, roomId] = await together({
      power_level_content_override: { events: { 'm.room.name': 0, 'm.room.topic': 0 } },
    })
    const said = (name: string) => Array.from({ length: AT_ONCE }, (_, n) => `${name} ${n}`)
    await Promise.all(
      [alice, bob].flatMap((user) => [
        ...said(user.userId).map((body) => user.send(roomId, body)),
        user.setState(roomId, 'm.room.topic', { topic: `of ${user.userId}` }),
        user.setState(roomId, 'm.room.name', { name: `of ${user.userId}` }),
      ]),
    )
    // An event that follows all of those ends the forks.
    await alice.send(roomId, 'amen')
    await hears(bob, roomId, 'amen')
    await bob.send(roomId, 'amen to that')
    await hears(alice, roomId, 'amen to that')
    const wanted = [...said(alice.userId), ...said(bob.userId)].sort()
    for (const user of [alice, bob]) {
      await until(async () => {
        const heard = (await bodies(user, roomId, 100)).filter((body) => wanted.includes(body))
        return JSON.stringify(heard.sort()) === JSON.stringify(wanted)
      })
    }
    await until(async () => {
      const [hers, his] = await Promise.all([alice, bob].map((user) => stateIds(user, roomId)))
      return hers === his
    })
  })

  test(`who is away for ${MISSED} events hears of them`, async () => {
    const [alice, bob, roomId] = await together()
    await homeservers.without(guestMake, async () => {
      for (let n = 0; n < MISSED; n++) await alice.send(roomId, `missed ${n}`)
      await alice.setState(roomId, 'm.room.topic', { topic: 'missed' })
    })
    const again = sessionAt(guest(), bob)
    // That it is back, the other server hears when it speaks.
    await again.send(roomId, 'back')
    await hears(alice, roomId, 'back')
    await until(async () => (await again.call('GET', `${inRoom(roomId)}/state/m.room.topic/`)).body.topic === 'missed')
    await until(async () => {
      const heard = (await bodies(again, roomId, 200)).filter((body) => body?.startsWith('missed'))
      return heard.length === MISSED && new Set(heard).size === MISSED
    })
  })

  test('messages are edited, answered with signs, and redacted; who is banned stays out', async () => {
    const [alice, bob, roomId] = await together()
    const said = await alice.send(roomId, 'hello')
    await hears(bob, roomId, 'hello')
    const replaced = { 'm.new_content': { msgtype: 'm.text', body: 'hallo' }, msgtype: 'm.text', body: '* hallo' }
    await alice.send(roomId, { ...replaced, 'm.relates_to': { rel_type: 'm.replace', event_id: said } })
    const sign = { 'm.relates_to': { rel_type: 'm.annotation', event_id: said, key: '👍' } }
    const reaction = await bob.send(roomId, sign, 'm.reaction')
    await until(async () => (await event(bob, roomId, said)).unsigned?.['m.relations']?.['m.replace'] !== undefined)
    await until(async () => (await event(alice, roomId, reaction)).type === 'm.reaction')
    await bob.put(`${inRoom(roomId)}/redact/${encodeURIComponent(reaction)}/r${users}`, {})
    await alice.put(`${inRoom(roomId)}/redact/${encodeURIComponent(said)}/r${users}`, { reason: 'no' })
    await until(async () => (await event(alice, roomId, reaction)).unsigned?.redacted_because?.sender === bob.userId)
    await until(async () => (await event(bob, roomId, said)).unsigned?.redacted_because?.content.reason === 'no')
    await alice.post(`${inRoom(roomId)}/ban`, { user_id: bob.userId })
    const typing = `${inRoom(roomId)}/typing/${encodeURIComponent(bob.userId)}`
    await until(async () => (await bob.call('PUT', typing, { typing: false })).status === 403)
    expect(await bob.refused('POST', joinPath(roomId, host()))).toBe('403 M_FORBIDDEN')
    await alice.post(`${inRoom(roomId)}/unban`, { user_id: bob.userId })
    await sees(alice, roomId, bob.userId, 'leave')
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
  })

  test('who knocks is let in', async () => {
    const [alice, bob] = [await hosted(), await visiting()]
    const rule = { type: 'm.room.join_rules', content: { join_rule: 'knock' } }
    const roomId = await alice.createRoom({ preset: 'private_chat', name: 'Knock', initial_state: [rule] })
    const name = encodeURIComponent(host().name)
    await bob.post(`/knock/${encodeURIComponent(roomId)}?server_name=${name}&via=${name}`, { reason: 'please' })
    await sees(alice, roomId, bob.userId, 'knock')
    const stripped = await shown<Json[]>(bob, ({ rooms }) => rooms?.knock?.[roomId]?.knock_state.events)
    expect(stripped.find((event) => event.type === 'm.room.name')?.content).toEqual({ name: 'Knock' })
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: bob.userId })
    await invited(bob, roomId)
    await joinBy(bob, roomId, host())
    await sees(alice, roomId, bob.userId, 'join')
  })

  test('they see one another type and read', async () => {
    const [alice, bob, roomId] = await together()
    for (const [one, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const said = await one.send(roomId, `read by ${other.userId}`)
      await hears(other, roomId, `read by ${other.userId}`)
      const typing = `${inRoom(roomId)}/typing/${encodeURIComponent(other.userId)}`
      await other.post(`${inRoom(roomId)}/receipt/m.read/${encodeURIComponent(said)}`)
      await other.put(typing, { typing: true, timeout: 20_000 })
      const told = <T>(look: (content: (type: string) => Json) => T | undefined) =>
        shown(one, ({ rooms }) => {
          const events: Json[] = rooms?.join?.[roomId]?.ephemeral?.events ?? []
          return look((type) => events.find((event) => event.type === type)?.content)
        })
      await told((content) => content('m.typing')?.user_ids.find((userId: string) => userId === other.userId))
      await told((content) => content('m.receipt')?.[said]?.['m.read']?.[other.userId]?.ts)
      await other.put(typing, { typing: false })
    }
  })

  test('what a server publishes is found from the other one', async () => {
    const [alice, bob] = [await hosted(), await visiting()]
    const [space, inside] = [
      await alice.createRoom({ preset: 'public_chat', name: 'Space', creation_content: { type: 'm.space' } }),
      await alice.createRoom({
        preset: 'public_chat',
        name: 'Inside',
        visibility: 'public',
        room_alias_name: `in${users}`,
      }),
    ]
    await alice.setState(space, 'm.space.child', { via: [host().name] }, inside)
    const alias = `#in${users}:${host().name}`
    expect((await bob.get(`/directory/room/${encodeURIComponent(alias)}`)).room_id).toBe(inside)
    const published = await bob.post(`/publicRooms?server=${encodeURIComponent(host().name)}`, {})
    expect(published.chunk.map((room: Json) => room.room_id)).toContain(inside)
    await alice.put(`/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice of the host' })
    expect((await bob.get(`/profile/${encodeURIComponent(alice.userId)}`)).displayname).toBe('Alice of the host')
    await joinBy(bob, space, host())
    const { rooms } = await bob.get(`/_matrix/client/v1/rooms/${encodeURIComponent(space)}/hierarchy`)
    expect(rooms.map((room: Json) => room.name)).toEqual(['Space', 'Inside'])
    await bob.post(`/join/${encodeURIComponent(alias)}`)
    const first = await bob.get(`/_matrix/client/v1/rooms/${encodeURIComponent(inside)}/timestamp_to_event?dir=f&ts=0`)
    await sees(alice, inside, bob.userId, 'join')
    expect((await event(alice, inside, first.event_id)).type).toBe('m.room.create')
  })

  test('files reach those of the other server', async () => {
    const [alice, bob] = [await hosted(), await visiting()]
    const headers = (user: Session) => ({ Authorization: `Bearer ${user.token}`, 'Content-Type': 'text/plain' })
    const upload = { method: 'POST', headers: headers(alice), body: 'from afar' }
    const { content_uri } = (await (await fetch(`${host().url}/_matrix/media/v3/upload`, upload)).json()) as Json
    const path = `/_matrix/client/v1/media/download/${content_uri.slice('mxc://'.length)}`
    const download = await fetch(`${guest().url}${path}`, { headers: headers(bob) })
    expect([download.status, await download.text()]).toEqual([200, 'from afar'])
  })

  test('they find by emoji that they are who they say', async () => {
    const { EventType } = await sdk()
    const person = async (account: Session, server: Make) => {
      const opened = await encryptedClient(homeservers[server], account, {})
      running.push(opened)
      await setUpIdentity(opened)
      return opened
    }
    const encryption = { type: EventType.RoomEncryption, content: { algorithm: 'm.megolm.v1.aes-sha2' } }
    const [hers, his, roomId] = await together({ initial_state: [encryption] })
    const [alice, bob] = [await person(hers, hostMake), await person(his, guestMake)]
    for (const { client } of [alice, bob]) await untilShown(client, () => client.isRoomEncrypted(roomId))
    const received = verificationRequest(bob)
    const request = await alice.crypto.requestVerificationDM(his.userId, roomId)
    const [seen, alsoSeen] = await compareEmoji(request, received)
    expect(seen).toBe(alsoSeen)
    await trusting(alice, bob)
    await trusting(bob, alice)
  })
}

async function event(user: Session, roomId: string, id: string): Promise<Json> {
  return (await user.call('GET', `${inRoom(roomId)}/event/${encodeURIComponent(id)}`)).body
}

/** The ids of the state's events, in one order. */
async function stateIds(user: Session, roomId: string): Promise<string> {
  const state: Json[] = await user.get(`${inRoom(roomId)}/state`)
  return JSON.stringify(state.map((one) => one.event_id).sort())
}
