import { beforeAll, describe, expect, test } from 'vitest'
import { generateSigningKey } from '../../../src/core/keys.ts'
import { signJson } from '../../../src/core/sign.ts'
import { systemRandom } from '../../../src/live/time.ts'
import { federationPath } from '../../../src/remote/ask-server.ts'
import { eachNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { inRoom, type Session, sessionOf } from '../../helpers/session.ts'

/** The key of an identity server. */
const identity = generateSigningKey(systemRandom.bytes)

eachNetwork(['a.example', 'b.example'], (joint) => {
  let network: TestNetwork
  let a: TestServer
  let b: TestServer
  let alice: Session
  let users = 0
  beforeAll(async () => {
    network = joint.network
    ;[a, b] = joint.servers as [TestServer, TestServer]
    alice = sessionOf(a, await a.register('alice'))
  })

  const signed = (mxid: string, token: string, key = identity) =>
    signJson({ mxid, sender: alice.userId, token }, 'id.example', key)

  /** A private room into which an address is invited. */
  async function invited(token: string): Promise<string> {
    const roomId = await alice.createRoom({ preset: 'private_chat', name: 'Tea' })
    // Without a place that says whether the key was revoked, it is good for ever.
    const content = { display_name: 'b…@mail', public_key: identity.publicKey }
    await alice.setState(roomId, 'm.room.third_party_invite', content, token)
    return roomId
  }
  const newcomer = async (server: TestServer) => sessionOf(server, await server.register(`guest${users++}`))

  describe('an invite to an address', () => {
    test('is redeemed by the user of another server, whom an identity server names', async () => {
      const bob = await newcomer(b)
      const roomId = await invited('t1')
      const block = signed(bob.userId, 't1')
      const invite = { address: 'b@mail', medium: 'email', mxid: bob.userId, room_id: roomId, sender: alice.userId }
      const body = { address: 'b@mail', medium: 'email', mxid: bob.userId, invites: [{ ...invite, signed: block }] }
      const reply = await b.call('PUT', '/_matrix/federation/v1/3pid/onbind', { body })
      expect([reply.status, reply.body]).toEqual([200, {}])
      await bob.join(roomId)
      await settled(a, b)
      expect(await alice.membership(roomId, bob.userId)).toBe('join')
    })

    test('is exchanged by the server of who invited, under the name that the room has for the address', async () => {
      const bob = await newcomer(b)
      const roomId = await invited('t2')
      const uri = federationPath`/v1/exchange_third_party_invite/${roomId}`
      const third = { display_name: 'whoever', signed: signed(bob.userId, 't2') }
      const member = { type: 'm.room.member', room_id: roomId, sender: alice.userId, state_key: bob.userId }
      const content = { ...member, content: { membership: 'invite', third_party_invite: third } }
      await network.ask(b, 'a.example', { method: 'PUT', uri, content })
      const event = await alice.state(roomId, 'm.room.member', bob.userId)
      expect(event).toMatchObject({ membership: 'invite', third_party_invite: { display_name: 'b…@mail' } })
      expect((await bob.sync()).rooms.invite[roomId]).toBeDefined()
    })

    test('is redeemed with the join, here and on another server', async () => {
      for (const [server, token] of [
        [a, 't3'],
        [b, 't4'],
      ] as const) {
        const guest = await newcomer(server)
        const roomId = await invited(token)
        const body = { third_party_signed: signed(guest.userId, token) }
        await guest.post(`${inRoom(roomId)}/join`, body)
        await settled(a, b)
        expect(await alice.membership(roomId, guest.userId)).toBe('join')
      }
    })

    test('is nothing to others: by another key, for another user, or without the invite', async () => {
      const bob = await newcomer(b)
      const roomId = await invited('t5')
      const refusal = (block: object) => bob.refused('POST', `${inRoom(roomId)}/join`, { third_party_signed: block })
      const forged = signed(bob.userId, 't5', generateSigningKey(systemRandom.bytes))
      expect(await refusal(forged)).toBe('403 M_FORBIDDEN')
      expect(await refusal(signed('@mallory:b.example', 't5'))).toBe('403 M_FORBIDDEN')
      expect(await refusal(signed(bob.userId, 'unknown'))).toBe('403 M_FORBIDDEN')
      // The same with all in order.
      await bob.post(`${inRoom(roomId)}/join`, { third_party_signed: signed(bob.userId, 't5') })
    })

    test('is not exchanged for the users of third servers', async () => {
      const roomId = await invited('t6')
      const uri = federationPath`/v1/exchange_third_party_invite/${roomId}`
      const target = '@carol:c.example'
      const third = { display_name: '', signed: signed(target, 't6') }
      const member = { type: 'm.room.member', room_id: roomId, sender: alice.userId, state_key: target }
      const content = { ...member, content: { membership: 'invite', third_party_invite: third } }
      await expect(network.ask(b, 'a.example', { method: 'PUT', uri, content })).rejects.toMatchObject({ status: 403 })
    })
  })
})
