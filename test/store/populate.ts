import { write } from '../../src/actions/write.ts'
import type { UserId } from '../../src/core/ids.ts'
import { signJson } from '../../src/core/sign.ts'
import { keepDigest } from '../../src/store/pushers.ts'
import { insertThreepid } from '../../src/store/threepids.ts'
import { AS_TOKEN } from '../helpers/appservice.ts'
import { crossSigningOf, deviceKeysOf, oneTimeKeys } from '../helpers/device-keys.ts'
import { enterByOAuth, oauthClient } from '../helpers/oauth.ts'
import { picture } from '../helpers/pictures.ts'
import { type Account, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
const MESSAGES = 24

/** What the clients of a server were told: it stays true through every migration. Kept in the fixture as JSON. */
export interface Known {
  readonly accounts: readonly Account[]
  readonly gone: { readonly localpart: string }
  /** Event ids of the messages by room, oldest first, as the first account sees them. */
  readonly rooms: readonly { readonly roomId: string; readonly messages: readonly string[] }[]
  /** Sending this again gives this event. */
  readonly sent: { readonly path: string; readonly body: object; readonly eventId: string }
  /** Requests of the accounts, by index, and what they answered: GET, or POST with a body. */
  readonly asked: readonly {
    readonly account: number
    readonly path: string
    readonly body?: object
    readonly answer: unknown
  }[]
  /** A sync token of the first account, and the messages that came after it. */
  readonly since: { readonly token: string; readonly messages: readonly string[] }
  /** What a client of OAuth 2.0 refreshes its tokens with; older schemas know none. */
  readonly oauth?: { readonly client_id: string; readonly refresh_token: string }
}

/**
 * Uses every feature of the server that leaves rows. Whoever fills another table adds a request here, so that the next
 * fixture has rows of it.
 */
export async function populate(server: TestServer): Promise<Known> {
  const accounts: Account[] = []
  for (const name of ['alice', 'bob', 'carol', 'dave']) accounts.push(await server.register(name))
  const [alice, bob, carol, dave] = accounts as [Account, Account, Account, Account]
  const tea = await createRoom(server, alice, {
    preset: 'public_chat',
    name: 'Tea',
    topic: '茶 🍵',
    room_version: '10',
  })
  const newer = await createRoom(server, alice, { invite: [bob.userId], is_direct: true, room_version: '12' })
  await must(server, bob, 'POST', `/join/${encodeURIComponent(tea)}`, {})
  const inNetwork = `${V3}/directory/list/appservice/net/${encodeURIComponent(tea)}`
  await server.call('PUT', inNetwork, { token: AS_TOKEN, body: { visibility: 'public' } })
  await must(server, bob, 'POST', `/join/${encodeURIComponent(newer)}`, {})
  await comeAndGo(server, alice, tea, carol)
  const open = { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'world_readable' } }
  const keeping = { type: 'm.room.retention', state_key: '', content: { max_lifetime: 31_536_000_000 } }
  const stage = await createRoom(server, alice, { initial_state: [open, keeping] })
  await must(server, carol, 'POST', `/peek/${encodeURIComponent(stage)}`, {})
  const messages = await talk(server, [alice, bob], tea, MESSAGES)
  await personalise(server, alice, tea)
  await shareKeys(server, alice, bob)
  await dehydrate(server, bob)
  await hearOfNews(server, bob)
  await must(server, alice, 'POST', '/_matrix/media/v1/create', {})
  await server.call('POST', '/_matrix/media/v3/upload', { token: alice.token, raw: 'tea leaves' })
  await showPicture(server, alice)
  const taken = await takeBack(server, bob, tea, messages)
  const path = sendPath(newer, 'retried')
  const body = { msgtype: 'm.text', body: 'it\'s "quoted" \\ and\nbroken, 🍵' }
  const eventId = (await must(server, alice, 'PUT', path, body)).event_id as string
  const token = (await must(server, alice, 'GET', '/sync')).next_batch as string
  const later = await talk(server, [bob], newer, 3)
  const { clientId, refresh_token } = await enterByOAuth(server, 'carol')
  const scope = 'urn:matrix:client:api:* urn:matrix:client:device:TV'
  await oauthClient(server).post('/device', { client_id: clientId, scope })
  await must(server, dave, 'POST', '/account/deactivate', { auth: password(dave) })
  return {
    accounts: accounts.slice(0, 3),
    gone: { localpart: 'dave' },
    rooms: [
      { roomId: tea, messages },
      { roomId: newer, messages: [eventId, ...later] },
    ],
    sent: { path, body, eventId },
    asked: await ask(server, accounts, tea, newer, taken),
    since: { token, messages: later },
    oauth: { client_id: clientId, refresh_token },
  }
}

async function showPicture(server: TestServer, { token }: Account): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'image/png' }
  const body = await picture(40, 40).png().toBuffer()
  const uploaded = await fetch(`${server.url}/_matrix/media/v3/upload`, { method: 'POST', headers, body })
  const { content_uri: uri } = (await uploaded.json()) as { content_uri: string }
  const path = `/_matrix/client/v1/media/thumbnail/${uri.slice('mxc://'.length)}?width=32&height=32&method=crop`
  const { status } = await fetch(`${server.url}${path}`, { headers })
  if (status !== 200) throw new Error(`a thumbnail: ${status}`)
}

/** What comes back from each of these requests now has to come back from every later version. */
async function ask(server: TestServer, accounts: readonly Account[], tea: string, newer: string, taken: string) {
  const alice = encodeURIComponent(accounts[0]!.userId)
  const [teaPath, newerPath] = [tea, newer].map((roomId) => `/rooms/${encodeURIComponent(roomId)}`)
  const questions: (readonly [account: number, path: string, body?: object])[] = [
    [1, '/keys/query', { device_keys: { [accounts[0]!.userId]: [] } }],
    [0, '/account/whoami'],
    [1, '/joined_rooms'],
    [0, `/profile/${alice}`],
    [0, `/user/${alice}/account_data/m.direct`],
    [0, `/user/${alice}${teaPath}/account_data/org.example.pot`],
    [0, `/user/${alice}${teaPath}/tags`],
    [0, `/user/${alice}/filter/1`],
    [0, '/pushrules/global/'],
    [0, `/devices/${accounts[0]!.deviceId}`],
    [1, DEHYDRATED],
    [1, '/pushers'],
    [0, '/room_keys/version'],
    [0, '/room_keys/keys?version=1'],
    [1, `${teaPath}/state`],
    [1, `${newerPath}/state`],
    [1, `${teaPath}/joined_members`],
    [0, `${teaPath}/members`],
    [0, `${newerPath}/messages?dir=b&limit=100`],
    [0, `${teaPath}/event/${encodeURIComponent(taken)}`],
  ]
  const asked: Known['asked'][number][] = []
  for (const [account, path, body] of questions) {
    const answer = lasting(await askAs(server, accounts[account]!, path, body))
    asked.push({ account, path, ...(body === undefined ? {} : { body }), answer })
  }
  return asked
}

export function askAs(server: TestServer, account: Account, path: string, body?: object) {
  return must(server, account, body === undefined ? 'GET' : 'POST', path, body)
}

const PASSING = new Set(['age', 'start', 'end', 'last_seen_ts', 'last_seen_ip'])

/** The answer without what differs from one moment to the next. */
function lasting(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer, (key, value) => (PASSING.has(key) ? undefined : value)))
}

/** An invite, a kick, a ban that stays, and a forgotten room leave their marks. */
async function comeAndGo(server: TestServer, host: Account, roomId: string, guest: Account): Promise<void> {
  const room = `/rooms/${encodeURIComponent(roomId)}`
  await must(server, host, 'POST', `${room}/invite`, { user_id: guest.userId })
  await must(server, guest, 'POST', `${room}/join`, {})
  await must(server, host, 'POST', `${room}/kick`, { user_id: guest.userId, reason: 'late' })
  await must(server, guest, 'POST', `${room}/forget`, {})
  await must(server, host, 'POST', `${room}/ban`, { user_id: guest.userId })
  await must(server, host, 'PUT', `${room}/state/org.example.kettle/on`, { litres: 2 })
}

/** Keys of a device, of which one is claimed, and keys of the user that signed it. */
async function shareKeys(server: TestServer, alice: Account, bob: Account): Promise<void> {
  const device = deviceKeysOf(alice)
  const { upload, selfSigning } = crossSigningOf(alice.userId)
  const keys = {
    device_keys: device.keys,
    one_time_keys: oneTimeKeys(['AAAAAQ', 'AAAAAg']),
    fallback_keys: oneTimeKeys(['AAAAAw']),
  }
  await must(server, alice, 'POST', '/keys/upload', keys)
  await must(server, alice, 'POST', '/keys/device_signing/upload', upload)
  const signed = signJson(device.keys, alice.userId, selfSigning)
  await must(server, alice, 'POST', '/keys/signatures/upload', { [alice.userId]: { [alice.deviceId]: signed } })
  const wanted = { [alice.userId]: { [alice.deviceId]: 'signed_curve25519' } }
  await must(server, bob, 'POST', '/keys/claim', { one_time_keys: wanted })
}

/** What the section `room_server` of a server has to say that is populated. */
export const POPULATED_ROOMS = { enable_ephemeral_messages: true }
const IN_2100 = 4_102_444_800_000

/** A reaction that is redacted, with its id, a reply in a thread, a report, and what goes by itself one day. */
async function takeBack(server: TestServer, user: Account, roomId: string, messages: readonly string[]) {
  const room = `/rooms/${encodeURIComponent(roomId)}`
  const [root, other] = messages as [string, string]
  const reaction = { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: '🍵' } }
  const { event_id: taken } = await must(server, user, 'PUT', `${room}/send/m.reaction/tea`, reaction)
  await must(server, user, 'PUT', `${room}/redact/${encodeURIComponent(taken as string)}/tea`, { reason: 'coffee' })
  const reply = { body: 'more', 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
  await must(server, user, 'PUT', `${room}/send/org.example.reply/more`, reply)
  const passing = { body: 'steam', 'org.matrix.self_destruct_after': IN_2100 }
  await must(server, user, 'PUT', `${room}/send/org.example.steam/steam`, passing)
  await must(server, user, 'POST', `${room}/report/${encodeURIComponent(other)}`, { reason: 'cold' })
  return taken as string
}

async function personalise(server: TestServer, user: Account, roomId: string): Promise<void> {
  const own = `/user/${encodeURIComponent(user.userId)}`
  const room = `/rooms/${encodeURIComponent(roomId)}`
  const rule = { pattern: 'tea', actions: ['notify'] }
  await must(server, user, 'PUT', `/profile/${encodeURIComponent(user.userId)}/displayname`, { displayname: 'Älice' })
  await must(server, user, 'PUT', `${own}/account_data/m.direct`, { '@bob:test.example': [roomId] })
  await must(server, user, 'PUT', `${own}${room}/account_data/org.example.pot`, { full: true })
  await must(server, user, 'PUT', `${own}${room}/tags/m.favourite`, { order: 1 })
  await must(server, user, 'POST', `${own}/filter`, { room: { timeline: { limit: 5 } } })
  await must(server, user, 'PUT', '/pushrules/global/content/tea', rule)
  await must(server, user, 'PUT', `/devices/${user.deviceId}`, { display_name: "Alice's telephone" })
  await must(server, user, 'POST', '/room_keys/version', {
    algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2',
    auth_data: { key: 'abc' },
  })
  const key = { first_message_index: 1, forwarded_count: 0, is_verified: true, session_data: { sealed: '🍵' } }
  await must(server, user, 'PUT', `/room_keys/keys/${encodeURIComponent(roomId)}/session?version=1`, key)
}

/** A push gateway that is never there, and mails: nobody presses the button that would prove the address. */
async function hearOfNews(server: TestServer, user: Account): Promise<void> {
  const name = { app_display_name: 'App', device_display_name: 'Phone', lang: 'en' }
  const gateway = { url: 'https://127.0.0.1/_matrix/push/v1/notify' }
  const [pushkey, nowMs] = ['bob@mail.example', server.app.clock.now()]
  await must(server, user, 'POST', '/pushers/set', {
    ...name,
    kind: 'http',
    app_id: 'app',
    pushkey: 'k',
    data: gateway,
  })
  const proved = insertThreepid({ medium: 'email', address: pushkey }, user.userId, nowMs, nowMs)
  await write(server.app, { guards: [], writes: [proved], log: [] })
  await must(server, user, 'POST', '/pushers/set', { ...name, kind: 'email', app_id: 'm.email', pushkey, data: {} })
  const pusher = { user_id: user.userId as UserId, app_id: 'm.email', pushkey }
  const told = keepDigest(pusher, server.app.db.safePosition(), '{"rooms":[[1,1700000000000,3600000]]}')
  await write(server.app, { guards: [], writes: [told], log: [] })
}

const DEHYDRATED = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'

async function dehydrate(server: TestServer, user: Account): Promise<void> {
  const device_keys = { user_id: user.userId, device_id: 'DRY', algorithms: [], keys: {}, signatures: {} }
  const device_data = { algorithm: 'org.matrix.msc3814.v2', device_pickle: '🍵' }
  await must(server, user, 'PUT', DEHYDRATED, { device_id: 'DRY', device_data, device_keys })
}

async function talk(server: TestServer, users: readonly Account[], roomId: string, count: number): Promise<string[]> {
  const eventIds: string[] = []
  for (let n = 0; n < count; n++) {
    const user = users[n % users.length]!
    const body = { msgtype: 'm.text', body: `message ${n}` }
    eventIds.push((await must(server, user, 'PUT', sendPath(roomId, `m${n}`), body)).event_id as string)
  }
  return eventIds
}

async function createRoom(server: TestServer, user: Account, wish: object): Promise<string> {
  return (await must(server, user, 'POST', '/createRoom', wish)).room_id as string
}

export function sendPath(roomId: string, txnId: string): string {
  return `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
}

function password({ userId }: Account) {
  return { type: 'm.login.password', identifier: { type: 'm.id.user', user: userId }, password: TEST_PASSWORD }
}

/** Calls with a path, usually below `/_matrix/client/v3`, and answers with the body. Errors: any status but 200. */
export async function must(server: TestServer, user: Account, method: string, path: string, body?: object) {
  const reply = await server.call(method, path.startsWith('/_matrix/') ? path : `${V3}${path}`, {
    token: user.token,
    body,
  })
  if (reply.status !== 200) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
  return reply.body
}
