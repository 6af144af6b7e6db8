import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
const TOKEN = 'as-of-irc'

const IRC = `
id: irc
url: null
as_token: ${TOKEN}
hs_token: hs-of-irc
sender_localpart: ircbot
rate_limited: false
namespaces:
  users:
    - { exclusive: true, regex: '@_irc_.*' }
    - { exclusive: false, regex: '@.*:test\\.example' }
  aliases: [{ exclusive: true, regex: '#_irc_.*' }]
`
/** With nothing but ghosts. */
const SMS = `
id: sms
url: null
as_token: as-of-sms
hs_token: hs-of-sms
sender_localpart: smsbot
namespaces:
  users: [{ exclusive: true, regex: '@_sms_.*' }]
`

eachServer(
  { rate_limiting: { enabled: true, threshold: 12, cooloff_ms: 3_600_000, exempt_user_ids: [] } },
  (server) => {
    const asAppservice = (method: string, path: string, body?: unknown, token = TOKEN) =>
      server.call(method, `${V3}${path}`, { token, ...(body !== undefined && { body }) })
    const ghost = (username: string, more: object = {}, token = TOKEN) =>
      asAppservice('POST', '/register', { type: 'm.login.application_service', username, ...more }, token)
    const as = (userId: string, more = '') => `user_id=${encodeURIComponent(userId)}${more}`
    const code = ({ status, body }: { status: number; body: Record<string, unknown> }) => [status, body.errcode]

    test('an application service registers its ghosts, and nobody else has users or aliases of that name', async () => {
      const made = await ghost('_irc_ann')
      expect(made.body).toMatchObject({ user_id: '@_irc_ann:test.example', device_id: expect.any(String) })
      const quiet = await ghost('_irc_bea', { inhibit_login: true })
      expect(Object.keys(quiet.body)).toEqual(['user_id', 'home_server'])
      expect(code(await ghost('_irc_ann'))).toEqual([400, 'M_USER_IN_USE'])
      expect(code(await ghost('_sms_ann'))).toEqual([400, 'M_EXCLUSIVE'])
      expect(code(await ghost('alice', {}, 'as-of-sms'))).toEqual([400, 'M_EXCLUSIVE'])
      expect(code(await ghost('_irc_cat', {}, 'nonsense'))).toEqual([401, 'M_UNKNOWN_TOKEN'])
      const bare = { type: 'm.login.application_service', username: '_irc_cat' }
      expect(code(await server.call('POST', `${V3}/register`, { body: bare }))).toEqual([401, 'M_MISSING_TOKEN'])
      expect(code(await asAppservice('POST', '/register', { ...bare, username: undefined }))).toEqual([
        400,
        'M_MISSING_PARAM',
      ])
      for (const username of ['_irc_dan', 'ircbot', 'smsbot']) {
        const body = { username, password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
        expect(code(await server.call('POST', `${V3}/register`, { body }))).toEqual([400, 'M_EXCLUSIVE'])
      }
    })

    test('it logs in as its users, by whatever name, and as no others', async () => {
      await ghost('_irc_log')
      const login = (user: string, token?: string) =>
        server.call('POST', `${V3}/login`, {
          ...(token !== undefined && { token }),
          body: { type: 'm.login.application_service', identifier: { type: 'm.id.user', user }, device_id: 'BRIDGE' },
        })
      const opened = await login('_irc_log', TOKEN)
      expect(opened.body).toMatchObject({ user_id: '@_irc_log:test.example', device_id: 'BRIDGE' })
      const whoami = await server.call('GET', `${V3}/account/whoami`, { token: String(opened.body.access_token) })
      expect(whoami.body).toMatchObject({ user_id: '@_irc_log:test.example', device_id: 'BRIDGE' })
      expect(code(await login('_irc_log', 'as-of-sms'))).toEqual([400, 'M_EXCLUSIVE'])
      expect(code(await login('_irc_nobody', TOKEN))).toEqual([403, 'M_FORBIDDEN'])
      expect(code(await login('_irc_log', 'nonsense'))).toEqual([401, 'M_UNKNOWN_TOKEN'])
      const flows = (await server.call('GET', `${V3}/login`, { token: TOKEN })).body.flows as { type: string }[]
      expect(flows).toContainEqual({ type: 'm.login.application_service' })
    })

    test('it speaks for its sender, its users and their devices, and for nobody else', async () => {
      await ghost('_irc_eve')
      const eve = as('@_irc_eve:test.example')
      const whoami = (query: string, token = TOKEN) =>
        asAppservice('GET', `/account/whoami${query === '' ? '' : `?${query}`}`, undefined, token)
      expect((await whoami('')).body).toEqual({ user_id: '@ircbot:test.example', is_guest: false })
      expect((await whoami(eve)).body).toEqual({ user_id: '@_irc_eve:test.example', is_guest: false })
      const inQuery = await server.call('GET', `${V3}/account/whoami?${eve}&access_token=${TOKEN}`)
      expect(inQuery.body.user_id).toBe('@_irc_eve:test.example')
      for (const [query, token] of [
        [as('@_irc_unknown:test.example'), TOKEN],
        [as('@_irc_eve:elsewhere.example'), TOKEN],
        [as('nonsense'), TOKEN],
        [eve, 'as-of-sms'],
        ['user_id=', TOKEN],
      ] as const)
        expect(code(await whoami(query, token))).toEqual([403, 'M_FORBIDDEN'])
      expect(code(await whoami(`${eve}&${eve}`))).toEqual([400, 'M_INVALID_PARAM'])
      for (const name of ['device_id', 'org.matrix.msc3202.device_id'])
        expect(code(await whoami(`${eve}&${name}=NONE`))).toEqual([400, 'M_UNKNOWN_DEVICE'])
    })

    test('it makes and deletes devices and cross-signing keys without being asked who it is', async () => {
      await ghost('_irc_dev', { inhibit_login: true })
      const dev = as('@_irc_dev:test.example')
      const put = () => asAppservice('PUT', `/devices/NEW?${dev}`, { display_name: 'Bridge' })
      expect((await put()).status).toBe(201)
      expect((await put()).status).toBe(200)
      const whoami = await asAppservice('GET', `/account/whoami?${dev}&device_id=NEW`)
      expect(whoami.body.device_id).toBe('NEW')
      const keys = { one_time_keys: { 'signed_curve25519:A': { key: 'a'.repeat(43), signatures: {} } } }
      const uploaded = await asAppservice('POST', `/keys/upload?${dev}&org.matrix.msc3202.device_id=NEW`, keys)
      expect(uploaded.body).toEqual({ one_time_key_counts: { signed_curve25519: 1 } })
      expect(code(await asAppservice('POST', `/keys/upload?${dev}`, keys))).toEqual([400, 'M_UNKNOWN_DEVICE'])
      for (const key of ['a', 'b']) {
        const public_key = key.repeat(43)
        const master_key = {
          user_id: '@_irc_dev:test.example',
          usage: ['master'],
          keys: { [`ed25519:${public_key}`]: public_key },
        }
        expect((await asAppservice('POST', `/keys/device_signing/upload?${dev}`, { master_key })).status).toBe(200)
      }
      expect((await asAppservice('DELETE', `/devices/NEW?${dev}`, {})).status).toBe(200)
      expect((await put()).status).toBe(201)
      expect((await asAppservice('POST', `/delete_devices?${dev}`, { devices: ['NEW'] })).status).toBe(200)
      const left = await asAppservice('GET', `/devices?${dev}`)
      expect(left.body.devices).toEqual([])
      const [alice] = [await server.register('asalice')]
      const none = await server.call('PUT', `${V3}/devices/NEW`, { token: alice.token, body: {} })
      expect(code(none)).toEqual([404, 'M_NOT_FOUND'])
    })

    test('it closes the accounts of its ghosts, and not those of others', async () => {
      await ghost('_irc_old')
      const old = as('@_irc_old:test.example')
      expect(code(await asAppservice('POST', `/account/deactivate?${as('@asalice:test.example')}`, {}))[0]).toBe(401)
      const changed = await asAppservice('POST', `/account/password?${old}`, { new_password: TEST_PASSWORD })
      expect(changed.status).toBe(401)
      expect((await asAppservice('POST', `/account/deactivate?${old}`, {})).status).toBe(200)
      expect(code(await asAppservice('GET', `/account/whoami?${old}`))).toEqual([403, 'M_USER_DEACTIVATED'])
    })

    test('its ghosts talk at the times that it says, as fast as it likes', async () => {
      await ghost('_irc_fay')
      const fay = as('@_irc_fay:test.example')
      const made = await asAppservice('POST', `/createRoom?${fay}`, { room_alias_name: '_irc_room' })
      const room = `/rooms/${encodeURIComponent(String(made.body.room_id))}`
      const sent = await asAppservice('PUT', `${room}/send/m.room.message/1?${fay}&ts=1000`, {
        body: 'old',
        msgtype: 'm.text',
      })
      const event = await asAppservice('GET', `${room}/event/${sent.body.event_id}?${fay}`)
      expect(event.body).toMatchObject({ origin_server_ts: 1000, sender: '@_irc_fay:test.example' })
      const again = await asAppservice('PUT', `${room}/send/m.room.message/1?${fay}&ts=2000`, {
        body: 'x',
        msgtype: 'm.text',
      })
      expect(again.body.event_id).toBe(sent.body.event_id)
      for (const [path, content, ts] of [
        ['/state/m.room.topic', { topic: 'old' }, 1001],
        ['/state/m.room.member/@asalice:test.example', { membership: 'invite' }, 1002],
        ['/state/m.room.member/@_irc_fay:test.example', { membership: 'join', displayname: 'Fay' }, 1003],
      ] as const) {
        const { body } = await asAppservice('PUT', `${room}${path}?${fay}&ts=${ts}`, content)
        const shown = await asAppservice('GET', `${room}/event/${body.event_id}?${fay}`)
        expect(shown.body.origin_server_ts).toBe(ts)
      }
      for (const ts of ['-1', '1.5', 'x', '9007199254740992', '1&ts=2'])
        expect(code(await asAppservice('PUT', `${room}/state/m.x?${fay}&ts=${ts}`, {}))).toEqual([
          400,
          'M_INVALID_PARAM',
        ])
      for (let count = 0; count < 14; count++) {
        const { status } = await asAppservice('PUT', `${room}/send/m.x/quick${count}?${fay}`, {})
        expect(status).toBe(200)
      }
    })

    test('who is no application service does not say when', async () => {
      const [sam] = [await server.register('assam')]
      const { body } = await server.call('POST', `${V3}/createRoom`, { token: sam.token, body: {} })
      const path = `${V3}/rooms/${encodeURIComponent(String(body.room_id))}`
      const sent = await server.call('PUT', `${path}/send/m.x/1?ts=1000`, { token: sam.token, body: {} })
      const event = await server.call('GET', `${path}/event/${sent.body.event_id}`, { token: sam.token })
      expect(event.body.origin_server_ts).toBeGreaterThan(1_000_000)
    })

    test('aliases of its namespace are its own', async () => {
      const gus = await server.register('asgus')
      const call = (method: string, alias: string, token: string, query = '') =>
        server.call(method, `${V3}/directory/room/${encodeURIComponent(`#${alias}:test.example`)}${query}`, {
          token,
          ...(method === 'PUT' && { body: { room_id: room } }),
        })
      const { body } = await server.call('POST', `${V3}/createRoom`, { token: gus.token, body: {} })
      const room = String(body.room_id)
      expect(code(await call('PUT', '_irc_gus', gus.token))).toEqual([400, 'M_EXCLUSIVE'])
      expect(code(await call('PUT', 'gus', TOKEN))).toEqual([400, 'M_EXCLUSIVE'])
      // It need not be in the room.
      expect((await call('PUT', '_irc_gus', TOKEN)).status).toBe(200)
      expect(code(await call('DELETE', '_irc_gus', gus.token))).toEqual([400, 'M_EXCLUSIVE'])
      expect(code(await call('DELETE', '_irc_gus', 'as-of-sms'))).toEqual([400, 'M_EXCLUSIVE'])
      expect((await call('DELETE', '_irc_gus', TOKEN)).status).toBe(200)
      const named = { token: gus.token, body: { room_alias_name: '_irc_own' } }
      expect(code(await server.call('POST', `${V3}/createRoom`, named))).toEqual([400, 'M_EXCLUSIVE'])
    })

    test('a ghost waits for news without a device, and so does a user for whom it speaks', async () => {
      const ivy = await server.register('asivy')
      for (const user of ['@ircbot:test.example', ivy.userId]) {
        const first = await asAppservice('GET', `/sync?${as(user)}`)
        const next = asAppservice('GET', `/sync?${as(user)}&since=${first.body.next_batch}&timeout=20000`)
        const data = asAppservice('PUT', `/user/${user}/account_data/m.x?${as(user)}`, { a: 1 })
        expect((await data).status).toBe(200)
        expect((await next).body.account_data).toEqual({ events: [{ type: 'm.x', content: { a: 1 } }] })
      }
    })

    test('those of an application service that is limited have budgets, and its sender has none', async () => {
      await ghost('_sms_1', { inhibit_login: true }, 'as-of-sms')
      const setName = (user: string) =>
        asAppservice('PUT', `/profile/${user}/displayname?${as(user)}`, { displayname: 'x' }, 'as-of-sms')
      const statuses = async (user: string) => {
        const all = []
        for (let count = 0; count < 14; count++) all.push((await setName(user)).status)
        return all
      }
      expect(await statuses('@_sms_1:test.example')).toContain(429)
      expect(new Set(await statuses('@smsbot:test.example'))).toEqual(new Set([200]))
    })
  },
  { registrations: [IRC, SMS] },
)
