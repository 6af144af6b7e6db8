import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import type { Account } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const MAX_KEY_BYTES = 255
const MAX_PROFILE_BYTES = 65_536

eachServer({ guests_disabled: false }, (server) => {
  const profileOf = ({ userId }: Account, key = '') =>
    server.call('GET', `${v3}/profile/${encodeURIComponent(userId)}${key === '' ? '' : `/${encodeURIComponent(key)}`}`)

  function set(user: Account, key: string, value: unknown, of: Account = user) {
    const path = `${v3}/profile/${encodeURIComponent(of.userId)}/${encodeURIComponent(key)}`
    return server.call('PUT', path, { token: user.token, body: { [key]: value } })
  }

  test('fields of any name are set, read and deleted by their owner', async () => {
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const pronouns = [{ language: 'en', summary: 'she', order: 0.5 }]
    for (const [key, value] of Object.entries({
      displayname: 'Alice',
      avatar_url: 'mxc://a/b',
      'm.pronouns': pronouns,
    })) {
      expect((await set(alice, key, value)).status).toBe(200)
      expect((await profileOf(alice, key)).body).toEqual({ [key]: value })
    }
    expect((await set(bob, 'displayname', 'Mallory', alice)).body.errcode).toBe('M_FORBIDDEN')
    const path = `${v3}/profile/${encodeURIComponent(alice.userId)}/m.pronouns`
    expect((await server.call('DELETE', path, { token: alice.token })).status).toBe(200)
    expect((await profileOf(alice, 'm.pronouns')).body.errcode).toBe('M_NOT_FOUND')
    expect((await profileOf(alice)).body).toEqual({ displayname: 'Alice', avatar_url: 'mxc://a/b' })
  })

  test('names of a prototype are fields like others', async () => {
    const carol = await server.register('carol')
    const body = JSON.stringify({ constructor: 'x' })
    const path = `${v3}/profile/${encodeURIComponent(carol.userId)}/constructor`
    expect((await profileOf(carol, 'constructor')).status).toBe(404)
    expect((await server.call('PUT', path, { token: carol.token, raw: body })).status).toBe(200)
    expect((await profileOf(carol, 'constructor')).body).toEqual({ constructor: 'x' })
  })

  test('a key has at most 255 bytes and a profile 64 KiB', async () => {
    const dave = await server.register('dave')
    expect((await set(dave, 'k'.repeat(MAX_KEY_BYTES), '')).status).toBe(200)
    const long = await set(dave, 'k'.repeat(MAX_KEY_BYTES + 1), '')
    expect([long.status, long.body.errcode]).toEqual([400, 'M_KEY_TOO_LARGE'])
    expect((await set(dave, 'displayname', 'a\0b')).body.errcode).toBe('M_INVALID_PARAM')
    const rest = MAX_PROFILE_BYTES - Buffer.byteLength(JSON.stringify((await profileOf(dave)).body)) - ',"x":""'.length
    expect((await set(dave, 'x', 'y'.repeat(rest))).status).toBe(200)
    const large = await set(dave, 'x', 'y'.repeat(rest + 1))
    expect([large.status, large.body.errcode]).toEqual([400, 'M_PROFILE_TOO_LARGE'])
  })

  test('a guest has a display name and nothing else', async () => {
    const made = await server.call('POST', `${v3}/register?kind=guest`, { body: {} })
    const guest = { userId: String(made.body.user_id), token: String(made.body.access_token), deviceId: '' }
    expect((await set(guest, 'displayname', 'Visitor')).status).toBe(200)
    expect((await set(guest, 'm.tz', 'Europe/Paris')).body.errcode).toBe('M_GUEST_ACCESS_FORBIDDEN')
  })

  test('a new name reaches every room that its owner is in, and only the name changes', async () => {
    const erin = await server.register('erin')
    const rooms: string[] = []
    for (let number = 0; number < 12; number++) {
      const { body } = await server.call('POST', `${v3}/createRoom`, { token: erin.token, body: {} })
      rooms.push(String(body.room_id))
    }
    await server.call('POST', `${v3}/rooms/${encodeURIComponent(rooms[0]!)}/leave`, { token: erin.token, body: {} })
    expect((await set(erin, 'displayname', 'Erin')).status).toBe(200)
    const member = async (roomId: string) => {
      const path = `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(erin.userId)}`
      return (await server.call('GET', `${v3}${path}`, { token: erin.token })).body
    }
    expect(await member(rooms[0]!)).toMatchObject({ membership: 'leave' })
    for (const roomId of rooms.slice(1))
      expect(await member(roomId)).toEqual({ membership: 'join', displayname: 'Erin' })
  })
})
