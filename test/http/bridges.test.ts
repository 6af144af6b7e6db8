import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'

const V3 = '/_matrix/client/v3'

interface Asked {
  readonly url: string
  readonly authorization: string | undefined
  readonly body: string
}

/** Application services by name: what they answer with, and what they were asked. */
const answers = new Map<string, (url: string) => readonly [status: number, body: unknown]>()
const asked: Asked[] = []

function startBridge(name: string) {
  return createServer((request, reply) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', headers } = request
      asked.push({ url, authorization: headers.authorization, body: Buffer.concat(chunks).toString() })
      const [status, body] = answers.get(name)?.(url) ?? [404, { errcode: 'M_UNRECOGNIZED' }]
      reply
        .writeHead(status, { 'content-type': 'application/json' })
        .end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
}

const [irc, sms] = [startBridge('irc'), startBridge('sms')]
const socket = join(tmpdir(), `bridge-${process.pid}.sock`)
await new Promise<void>((done) => irc.listen(0, '127.0.0.1', done))
await new Promise<void>((done) => sms.listen(socket, done))
afterAll(() => {
  irc.close()
  sms.close()
})

function registration(id: string, url: string | null) {
  return JSON.stringify({
    id,
    url,
    as_token: `as-${id}`,
    hs_token: `hs-${id}`,
    sender_localpart: `${id}bot`,
    protocols: ['net'],
    namespaces: {
      users: [{ exclusive: true, regex: `@_${id}_.*` }],
      aliases: [{ exclusive: true, regex: `#_${id}_.*` }],
    },
  })
}

const REGISTRATIONS = [
  registration('irc', `http://127.0.0.1:${(irc.address() as AddressInfo).port}/below/`),
  registration('sms', `unix://${socket}`),
  registration('down', 'http://127.0.0.1:1'),
  registration('deaf', null),
]

eachServer(
  {},
  (server) => {
    const ping = (id: string, token: string) =>
      server.call('POST', `/_matrix/client/v1/appservice/${id}/ping`, { token, body: { transaction_id: 'meow' } })

    test('an application service asks whether it is heard, by its own token', async () => {
      answers.set('irc', () => [200, {}])
      expect((await ping('irc', 'as-irc')).body).toEqual({ duration_ms: expect.any(Number) })
      expect(asked.at(-1)).toEqual({
        url: '/below/_matrix/app/v1/ping',
        authorization: 'Bearer hs-irc',
        body: '{"transaction_id":"meow"}',
      })
      answers.set('sms', () => [403, { errcode: 'M_FORBIDDEN' }])
      const refused = await ping('sms', 'as-sms')
      expect(refused.status).toBe(502)
      expect(refused.body).toMatchObject({ errcode: 'M_BAD_STATUS', status: 403, body: '{"errcode":"M_FORBIDDEN"}' })
      const alice = await server.register('alice')
      for (const [id, token, status, errcode] of [
        ['down', 'as-down', 502, 'M_CONNECTION_FAILED'],
        ['deaf', 'as-deaf', 400, 'M_URL_NOT_SET'],
        ['irc', 'as-sms', 403, 'M_FORBIDDEN'],
        ['irc', alice.token, 403, 'M_FORBIDDEN'],
        ['irc', 'nonsense', 401, 'M_UNKNOWN_TOKEN'],
      ] as const) {
        const reply = await ping(id, token)
        expect([reply.status, reply.body.errcode]).toEqual([status, errcode])
      }
    })

    test('networks are those of all application services together, and are remembered for a while', async () => {
      const fields = { user_fields: ['nick'], location_fields: ['channel'], icon: 'mxc://a/b', field_types: {} }
      const instance = (desc: string, more = {}) => ({ desc, fields: {}, ...more })
      answers.set('irc', () => [200, { ...fields, instances: [instance('one', { network_id: 'one' })] }])
      answers.set('sms', () => [200, { ...fields, instances: [instance('two', { network_id: 'two' }), 'three'] }])
      const { token } = await server.register('bob')
      const all = await server.call('GET', `${V3}/thirdparty/protocols`, { token })
      const instances = [
        instance('one', { network_id: 'one', instance_id: 'irc|one' }),
        instance('two', { network_id: 'two', instance_id: 'sms|two' }),
      ]
      expect(all.body).toEqual({ net: { ...fields, instances } })
      const before = asked.length
      answers.clear()
      const one = await server.call('GET', `${V3}/thirdparty/protocol/net`, { token })
      expect(one.body).toEqual({ ...fields, instances })
      expect(asked.slice(before)).toEqual([])
      const none = await server.call('GET', `${V3}/thirdparty/protocol/other`, { token })
      expect([none.status, none.body.errcode]).toEqual([404, 'M_NOT_FOUND'])
    })

    test('rooms of a network are in its own list, in that of all, and not in that of the server', async () => {
      const { token } = await server.register('dora')
      const made = await server.call('POST', `${V3}/createRoom`, { token, body: { name: 'Net' } })
      const roomId = String(made.body.room_id)
      const path = `${V3}/directory/list/appservice/one/${encodeURIComponent(roomId)}`
      const list = async (wish: object) => {
        const { body } = await server.call('POST', `${V3}/publicRooms`, { token, body: wish })
        return (body.chunk as { room_id: string }[]).map((room) => room.room_id)
      }
      const show = (visibility: string) => server.call('PUT', path, { token: 'as-irc', body: { visibility } })
      expect((await show('public')).status).toBe(200)
      expect((await show('public')).status).toBe(200)
      expect(await list({ third_party_instance_id: 'irc|one' })).toEqual([roomId])
      expect(await list({ include_all_networks: true })).toEqual([roomId])
      for (const wish of [{}, { third_party_instance_id: 'sms|one' }, { third_party_instance_id: 'irc|two' }])
        expect(await list(wish)).toEqual([])
      const published = { token, body: { visibility: 'public' } }
      await server.call('PUT', `${V3}/directory/list/room/${encodeURIComponent(roomId)}`, published)
      expect(await list({ include_all_networks: true })).toEqual([roomId])
      expect((await show('private')).status).toBe(200)
      expect(await list({ third_party_instance_id: 'irc|one' })).toEqual([])
      expect(await list({})).toEqual([roomId])
      await show('public')
      expect((await server.call('DELETE', path, { token: 'as-irc' })).status).toBe(200)
      expect(await list({ third_party_instance_id: 'irc|one' })).toEqual([])
      const byUser = await server.call('PUT', path, published)
      expect([byUser.status, byUser.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
      const unknown = path.replace(encodeURIComponent(roomId), '!none')
      const nowhere = await server.call('PUT', unknown, { token: 'as-irc', body: { visibility: 'public' } })
      expect([nowhere.status, nowhere.body.errcode]).toEqual([404, 'M_NOT_FOUND'])
    })

    test('places and people are looked for at all that bridge the protocol, both ways', async () => {
      const { token } = await server.register('carol')
      const place = { alias: '#_irc_a:test.example', protocol: 'net', fields: { channel: '#a' } }
      const person = { userid: '@_sms_1:test.example', protocol: 'net', fields: {} }
      const results = (url: string) => [200, url.includes('/location') ? [place, { alias: 5 }, 7] : [person]] as const
      answers.set('irc', results)
      answers.set('sms', () => [200, 'no JSON'])
      const get = (path: string) => server.call('GET', `${V3}/thirdparty/${path}`, { token })
      expect((await get('location/net?channel=%23a&access_token=x')).body).toEqual([place])
      expect(asked.map(({ url }) => url)).toContain('/below/_matrix/app/v1/thirdparty/location/net?channel=%23a')
      answers.set('sms', results)
      expect((await get('user/net?nick=1')).body).toEqual([person, person])
      const before = asked.length
      expect((await get('location?alias=%23_irc_a%3Atest.example')).body).toEqual([place])
      expect((await get('user?userid=%40_sms_1%3Atest.example')).body).toEqual([person])
      expect(asked.slice(before)).toHaveLength(2)
      for (const path of ['location/other', 'user/other', 'location?alias=%23a%3Atest.example', 'user?userid=%40a%3Ab'])
        expect((await get(path)).body.errcode).toBe('M_NOT_FOUND')
      const many = Array.from({ length: 21 }, (_, index) => `f${index}=1`).join('&')
      for (const query of [many, 'a=1&a=2', `a=${'x'.repeat(1_001)}`])
        expect((await get(`user/net?${query}`)).body.errcode).toBe('M_INVALID_PARAM')
    })
  },
  { registrations: REGISTRATIONS },
)
