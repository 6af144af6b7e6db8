import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestNetwork, settled } from '../helpers/federation.ts'
import { type IdentityServer, startIdentityServer } from '../helpers/identity-server.ts'
import { TEST_PASSWORD, type TestServer } from '../helpers/server.ts'
import { enter, inRoom, type Session } from '../helpers/session.ts'

const network = createTestNetwork()
let identity: IdentityServer
let here: TestServer
let there: TestServer
let alice: Session
const federationApi = { disable_tls_validation: true, deny_networks: [] }

beforeAll(async () => {
  identity = await startIdentityServer()
  const global = { trusted_third_party_id_servers: [identity.name] }
  here = await network.start('here.test', undefined, { federationApi, global })
  there = await network.start('there.test', undefined, { federationApi, global })
  alice = await enter(here, 'alice')
})
afterAll(async () => {
  await network.stop()
  await identity.stop()
})

const address = (name: string) => ({
  id_server: identity.name,
  id_access_token: identity.token,
  medium: 'email',
  address: `${name}@Example.org`,
})

/** The invite that waits in the room, and what proves that it is meant for the user. */
async function proofFor(roomId: string, userId: string) {
  const events = (await alice.get(`${inRoom(roomId)}/state`)) as { type: string; state_key: string; sender: string }[]
  const { state_key: token, sender } = events.find(({ type }) => type === 'm.room.third_party_invite')!
  return { token, sender, signed: identity.sign(userId, token, sender) }
}

/** The identity server tells the homeserver of the user. */
async function tell(server: TestServer, roomId: string, userId: string, method = 'PUT', change: object = {}) {
  const { sender, signed } = await proofFor(roomId, userId)
  const invite = { medium: 'email', address: 'bob@example.org', mxid: userId, room_id: roomId, sender, signed }
  const body = { medium: 'email', address: 'bob@example.org', mxid: userId, invites: [{ ...invite, ...change }] }
  return server.call(method, '/_matrix/federation/v1/3pid/onbind', { body })
}

const inviteState = async (user: Session, roomId: string) => (await user.sync()).rooms?.invite?.[roomId]

test('who is known by the address is invited, and the address is told as a hash', async () => {
  const bob = await enter(here, 'bob')
  identity.bound.set('email bob@example.org', bob.userId)
  const roomId = await alice.createRoom({ invite_3pid: [address('bob')], is_direct: true })
  expect(await alice.state(roomId, 'm.room.member', bob.userId)).toMatchObject({
    membership: 'invite',
    is_direct: true,
  })
  const other = await alice.createRoom()
  await alice.post(`${inRoom(other)}/invite`, address('Bob'))
  expect(await alice.membership(other, bob.userId)).toBe('invite')
  expect(identity.stored).toEqual([])
})

test('where nobody is known the invite waits in the room, until somebody has the address', async () => {
  const carl = await enter(here, 'carl')
  const roomId = await alice.createRoom({ name: 'Tea' })
  await alice.post(`${inRoom(roomId)}/invite`, address('carl'))
  expect(identity.stored.at(-1)).toMatchObject({
    ...{ medium: 'email', address: 'carl@example.org', room_id: roomId, sender: alice.userId },
    ...{ room_name: 'Tea', room_join_rules: 'invite', sender_display_name: 'alice' },
  })
  const { token } = await proofFor(roomId, carl.userId)
  expect(await alice.state(roomId, 'm.room.third_party_invite', token)).toMatchObject({ display_name: 'b...@e...' })

  expect((await tell(here, roomId, carl.userId)).status).toBe(200)
  expect(await inviteState(carl, roomId)).toBeDefined()
  const member = await alice.state(roomId, 'm.room.member', carl.userId)
  expect(member).toMatchObject({ membership: 'invite', third_party_invite: { display_name: 'b...@e...' } })
  await carl.join(roomId)
  // Told again, nobody is put out of the room.
  await tell(here, roomId, carl.userId)
  expect(await alice.membership(roomId, carl.userId)).toBe('join')
})

test('a proof that is shown with the join is as good', async () => {
  const dora = await enter(here, 'dora')
  const roomId = await alice.createRoom()
  await alice.post(`${inRoom(roomId)}/invite`, address('dora'))
  const { signed } = await proofFor(roomId, dora.userId)
  const stolen = await enter(here, 'thief')
  const body = { third_party_signed: signed }
  expect(await stolen.refused('POST', `${inRoom(roomId)}/join`, body)).toBe('403 M_FORBIDDEN')
  await dora.post(`${inRoom(roomId)}/join`, body)
  expect(await alice.membership(roomId, dora.userId)).toBe('join')
})

test('a user of another server is invited by the address, through both servers', async () => {
  const eva = await enter(there, 'eva')
  const roomId = await alice.createRoom()
  await alice.post(`${inRoom(roomId)}/invite`, address('eva'))
  // As identity servers in use send it.
  expect((await tell(there, roomId, eva.userId, 'POST')).status).toBe(200)
  expect(await alice.membership(roomId, eva.userId)).toBe('invite')
  expect(await inviteState(eva, roomId)).toBeDefined()
  await eva.join(roomId)
  await settled(here, there)
  expect(await alice.membership(roomId, eva.userId)).toBe('join')
})

test('no proof, one of another user, one by another key, or by a revoked one invites nobody', async () => {
  const fred = await enter(here, 'fred')
  const roomId = await alice.createRoom()
  await alice.post(`${inRoom(roomId)}/invite`, address('fred'))
  const { signed } = await proofFor(roomId, fred.userId)
  const forged = { ...signed, mxid: '@mallory:here.test' }
  for (const change of [{ signed: forged }, { signed: { ...signed, token: 'x' } }, { sender: '@x:y' }])
    expect((await tell(here, roomId, fred.userId, 'PUT', change)).status).toBe(200)
  identity.valid = false
  await tell(here, roomId, fred.userId)
  identity.valid = true
  expect(await alice.refused('GET', `${inRoom(roomId)}/state/m.room.member/${fred.userId}`)).toBe('404 M_NOT_FOUND')
})

test('who may not invite, or names no identity server or one that is not trusted, sends nobody a letter', async () => {
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  const gina = await enter(here, 'gina')
  const letters = identity.stored.length
  const path = `${inRoom(roomId)}/invite`
  expect(await gina.refused('POST', path, address('hans'))).toBe('403 M_FORBIDDEN')
  const { id_access_token: _, ...incomplete } = address('hans')
  expect(await alice.refused('POST', path, incomplete)).toBe('400 M_MISSING_PARAM')
  const untrusted = { ...address('hans'), id_server: 'evil.example' }
  expect(await alice.refused('POST', path, untrusted)).toBe('403 M_SERVER_NOT_TRUSTED')
  const wrong = { ...address('hans'), id_access_token: 'wrong' }
  expect(await alice.refused('POST', path, wrong)).toBe('502 M_UNKNOWN')
  expect(identity.stored).toHaveLength(letters)
})

test('an address is bound at an identity server, and taken back with our signature', async () => {
  identity.sessions.set('sid secret', 'email alice@example.org')
  const creds = { sid: 'sid', client_secret: 'secret', id_server: identity.name, id_access_token: identity.token }
  await alice.post('/account/3pid/bind', creds)
  expect(identity.bound.get('email alice@example.org')).toBe(alice.userId)
  expect(await alice.refused('POST', '/account/3pid/bind', { ...creds, sid: 'x' })).toBe('404 M_NO_VALID_SESSION')

  const bound = { medium: 'email', address: 'alice@example.org' }
  const elsewhere = { ...bound, address: 'other@example.org' }
  expect(await alice.post('/account/3pid/unbind', elsewhere)).toEqual({ id_server_unbind_result: 'no-support' })
  const from = { ...bound, id_server: identity.name }
  // Where it was bound is remembered.
  expect(await alice.post('/account/3pid/unbind', bound)).toEqual({ id_server_unbind_result: 'success' })
  expect(await alice.post('/account/3pid/unbind', bound)).toEqual({ id_server_unbind_result: 'no-support' })
  expect(identity.asked.at(-1)?.authorization).toContain('origin="here.test"')
  expect(identity.bound.has('email alice@example.org')).toBe(false)

  await alice.post('/account/3pid', { three_pid_creds: creds })
  expect(await alice.post('/account/3pid/delete', from)).toEqual({ id_server_unbind_result: 'success' })
  // What the identity server refuses does not keep an address here.
  expect(await alice.post('/account/3pid/delete', from)).toEqual({ id_server_unbind_result: 'no-support' })
  expect(await alice.refused('POST', '/account/3pid/unbind', from)).toBe('404 M_NOT_FOUND')

  await alice.post('/account/3pid/bind', creds)
  const auth = { type: 'm.login.password', password: TEST_PASSWORD }
  expect(await alice.post('/account/deactivate', { auth })).toEqual({ id_server_unbind_result: 'success' })
  expect(identity.bound.has('email alice@example.org')).toBe(false)
})
