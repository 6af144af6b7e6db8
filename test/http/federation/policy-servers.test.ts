import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type JsonObject, parseJson } from '../../../src/core/json.ts'
import { generateSigningKey } from '../../../src/core/keys.ts'
import { roomVersion } from '../../../src/core/room-version.ts'
import { signPdu } from '../../../src/core/sign.ts'
import { sql } from '../../../src/db/sql.ts'
import { systemRandom } from '../../../src/live/time.ts'
import type { ServerRequest } from '../../../src/remote/transport.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { enter, inRoom, type Session } from '../../helpers/session.ts'

const VIA = 'policy.example'
const key = { ...generateSigningKey(systemRandom.bytes), keyId: 'ed25519:policy_server' }
const otherKey = { ...generateSigningKey(systemRandom.bytes), keyId: 'ed25519:policy_server' }

let network: TestNetwork
let [one, two] = [{} as TestServer, {} as TestServer]
let [alice, bob] = [{} as Session, {} as Session]
let roomId = ''
/** What the policy server was asked about, and what it does with it. */
let asked: JsonObject[] = []
let sign: (pdu: JsonObject) => { status: number; content: unknown }

const signedBy = (by: typeof key) => (pdu: JsonObject) => {
  const { signatures } = signPdu(roomVersion('12')!, { ...pdu, signatures: {} }, VIA, by)
  return { status: 200, content: signatures }
}
const refuse = () => ({ status: 400, content: { errcode: 'M_FORBIDDEN', error: 'This is spam.' } })

beforeAll(async () => {
  network = createTestNetwork()
  one = await network.start('one.example')
  two = await network.start('two.example')
  const judge = await network.start(VIA)
  network.answer((request: ServerRequest) => {
    if (request.destination !== VIA || !request.uri.startsWith('/_matrix/policy/v1/sign')) return undefined
    const pdu = parseJson(request.body ?? '{}') as JsonObject
    asked.push(pdu)
    return sign(pdu)
  })
  ;[alice, bob] = [await enter(one, 'alice'), await enter(two, 'bob')]
  const watcher = await enter(judge, 'watcher')
  roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'room', room_version: '12' })
  for (const user of [bob, watcher]) await user.post(`/join/${encodeURIComponent('#room:one.example')}`)
  await settled(one, two, judge)
  const content = { via: VIA, public_keys: { ed25519: key.publicKey } }
  await alice.setState(roomId, 'm.room.policy', content)
  await settled(one, two, judge)
})
afterAll(() => network.stop())
beforeEach(() => {
  asked = []
  sign = signedBy(key)
})

const sees = async (user: Session, eventId: string) =>
  (await user.call('GET', `${inRoom(roomId)}/event/${encodeURIComponent(eventId)}`)).status === 200

test('what is signed is sent, and taken by others without another question', async () => {
  const eventId = await alice.send(roomId, 'hello')
  const state = await bob.setState(roomId, 'org.example.x', { y: 1 }).catch(() => undefined)
  expect(state).toBeUndefined()
  await settled(one, two)
  expect(asked.map((pdu) => pdu.type)).toEqual(['m.room.message'])
  expect(await sees(bob, eventId)).toBe(true)
})

test('what is refused is not sent: the sender hears why, word for word', async () => {
  sign = refuse
  const reply = await alice.call('PUT', `${inRoom(roomId)}/send/m.room.message/spam`, {
    msgtype: 'm.text',
    body: 'spam',
  })
  expect([reply.status, reply.body]).toEqual([400, { errcode: 'M_FORBIDDEN', error: 'This is spam.' }])
  sign = signedBy(otherKey)
  const forged = await alice.refusal('PUT', `${inRoom(roomId)}/send/m.room.message/forged`, { body: 'x' })
  expect(forged).toBe('403 M_FORBIDDEN')
  for (const answer of [{}, { [VIA]: 'x' }, { [VIA]: { 'ed25519:policy_server': 'x' } }, []]) {
    sign = () => ({ status: 200, content: answer })
    const odd = await alice.call('PUT', `${inRoom(roomId)}/send/m.room.message/odd`, { body: 'x' })
    expect(odd.status).toBeGreaterThanOrEqual(400)
    expect(odd.status).not.toBe(500)
  }
  network.cut(VIA, true)
  expect(await alice.refusal('PUT', `${inRoom(roomId)}/send/m.room.message/away`, { body: 'x' })).toBe('502 M_UNKNOWN')
  network.cut(VIA, false)
  sign = signedBy(key)
  await alice.send(roomId, 'goes on')
})

test('what comes unsigned is asked about, and is hidden when it is refused', async () => {
  // The other server thinks that the room has no policy server.
  const unsign = async (body: string) => {
    const plain = await blind(() => bob.send(roomId, body))
    await settled(one, two)
    return plain
  }
  const fine = await unsign('asked about later')
  expect(await sees(alice, fine)).toBe(true)
  sign = refuse
  const spam = await unsign('spam')
  expect(await sees(bob, spam)).toBe(true)
  expect(await sees(alice, spam)).toBe(false)
})

test('a policy server without anybody in the room is none, nor is one that is not named as it should be', async () => {
  sign = refuse
  for (const content of [
    { via: 'nowhere.example', public_keys: { ed25519: key.publicKey } },
    { via: VIA },
    {},
    { via: 1 },
  ]) {
    // The event that names the server needs no signature of any.
    await alice.setState(roomId, 'm.room.policy', content)
    expect(await alice.send(roomId, 'free')).toMatch(/^\$/)
  }
  expect(asked).toEqual([])
})

/** Lets the second server believe, for the time of the work, that the judge has left. */
async function blind<T>(work: () => Promise<T>): Promise<T> {
  const set = (to: number | null) =>
    two.app.db.commit({
      guards: [],
      writes: [sql`UPDATE room_servers SET to_position = ${to} WHERE server = ${VIA}`],
      log: [],
    })
  await set(1)
  try {
    return await work()
  } finally {
    await set(null)
  }
}
