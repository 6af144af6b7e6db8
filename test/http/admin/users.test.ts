import { Writable } from 'node:stream'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { ENDPOINTS } from '../../../src/http/endpoints.ts'
import { eachServer } from '../../helpers/each-server.ts'
import { TEST_PASSWORD } from '../../helpers/server.ts'
import { enter, enterAsAdmin, enterAsGuest, type Json, logIn } from '../../helpers/session.ts'

const V1 = '/_synapse/admin/v1'
const V2 = '/_synapse/admin/v2'
const names = (list: Json) => list.users.map((user: Json) => user.name)

eachServer({ guests_disabled: false }, (server) => {
  test('S20: the administration is for administrators alone, and what they change is in the log', async () => {
    const [eve, root] = [await enter(server, 'eve'), await enterAsAdmin(server, 'root')]
    const administration = ENDPOINTS.filter(({ path, auth }) => path.startsWith('/_synapse/admin') && auth !== 'none')
    expect(administration.length).toBeGreaterThan(19)
    for (const { method, path } of administration) {
      const url = path.replaceAll('{userId}', eve.userId).replaceAll(/\{\w+\}/g, '1')
      // A query or body that is wrong is refused first, and tells nothing of what there is.
      const refused = await eve.refusal(method, url, method === 'GET' ? undefined : {})
      expect([path, refused]).toEqual([path, expect.stringMatching(/^403 M_FORBIDDEN$|^400 M_MISSING_PARAM$/)])
      expect([path, (await server.call(method, url)).status]).toEqual([path, 401])
    }
    const lines: string[] = []
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        done()
      },
    })
    const { log } = server.app
    Object.assign(server.app, { log: pino({ level: 'info' }, stream) })
    await root.put(`${V2}/users/@audited:test.example`, { password: 'a password for two' }).catch(() => undefined)
    await root.get(`${V2}/users/${eve.userId}`)
    Object.assign(server.app, { log })
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        admin: root.userId,
        ip: '127.0.0.1',
        what: `PUT ${V2}/users/{userId}`,
        of: { userId: '@audited:test.example' },
      },
    ])
    expect(lines.join()).not.toContain('a password for two')
  })

  test('accounts are listed, found, sorted and paged', async () => {
    const root = await enterAsAdmin(server, 'root2')
    for (const name of ['list_a', 'list_b']) await enter(server, name)
    const zoe = await enter(server, 'listed_z')
    await zoe.put(`/profile/${zoe.userId}/displayname`, { displayname: 'Ärger 100%' })
    const guest = await enterAsGuest(server)
    expect(names(await root.get(`${V2}/users?name=LIST_`))).toEqual(['@list_a:test.example', '@list_b:test.example'])
    expect(names(await root.get(`${V2}/users?name=100%25`))).toEqual([zoe.userId])
    expect(names(await root.get(`${V2}/users?user_id=list&dir=b&order_by=name`))).toEqual([
      zoe.userId,
      '@list_b:test.example',
      '@list_a:test.example',
    ])
    const page = await root.get(`${V2}/users?user_id=list&limit=2`)
    expect([page.total, page.next_token, names(page).length]).toEqual([3, '2', 2])
    const last = await root.get(`${V2}/users?user_id=list&limit=2&from=${page.next_token}`)
    expect([last.next_token, names(last)]).toEqual([undefined, [zoe.userId]])
    const all = names(await root.get(`${V2}/users?order_by=creation_ts&dir=b`))
    expect(all[0]).toBe(guest.userId)
    expect(names(await root.get(`${V2}/users?guests=false`))).not.toContain(guest.userId)
    for (const order of ['is_guest', 'admin', 'deactivated', 'displayname', 'avatar_url', 'last_seen_ts', 'nonsense']) {
      expect((await root.get(`${V2}/users?order_by=${order}`)).total).toBe(all.length)
    }
    expect((await root.get(`${V2}/users?order_by=admin&dir=b&limit=1`)).users[0].admin).toBe(true)
    expect(await root.refusal('GET', `${V2}/users?from=-1`)).toBe('400 M_INVALID_PARAM')
  })

  test('an account is made, changed, closed and opened again', async () => {
    const root = await enterAsAdmin(server, 'root3')
    const path = `${V2}/users/@made:test.example`
    const made = await root.call('PUT', path, { password: TEST_PASSWORD, displayname: 'Made', admin: true })
    expect([made.status, made.body]).toMatchObject([
      201,
      { name: '@made:test.example', displayname: 'Made', admin: true },
    ])
    const user = await logIn(server, 'made')
    const changed = await root.put(path, { admin: false, displayname: '', locked: true })
    expect(changed).toMatchObject({ admin: false, displayname: null, locked: true, deactivated: false })
    expect(await user.refusal('GET', '/account/whoami')).toBe('401 M_USER_LOCKED')
    expect(await root.put(path, { locked: false, password: 'the second password' })).toMatchObject({ locked: false })
    expect(await user.refusal('GET', '/account/whoami')).toBe('401 M_UNKNOWN_TOKEN')

    const owner = await enter(server, 'owner')
    const roomId = await owner.createRoom({ preset: 'public_chat' })
    await root.post(`${V1}/reset_password/@made:test.example`, { new_password: TEST_PASSWORD })
    const again = await logIn(server, 'made')
    await again.join(roomId)
    expect(await root.get(`${V1}/users/@made:test.example/joined_rooms`)).toEqual({ joined_rooms: [roomId], total: 1 })
    expect(await root.post(`${V1}/deactivate/@made:test.example`, { erase: true })).toEqual({
      id_server_unbind_result: 'success',
    })
    expect(await owner.membership(roomId, '@made:test.example')).toBe('leave')
    expect(await root.get(path)).toMatchObject({ deactivated: true, erased: true })
    expect(names(await root.get(`${V2}/users?user_id=made`))).toEqual([])
    expect(names(await root.get(`${V2}/users?user_id=made&deactivated=true`))).toEqual(['@made:test.example'])
    expect(await root.refusal('PUT', path, { deactivated: false })).toBe('400 M_MISSING_PARAM')
    await root.put(path, { deactivated: false, password: TEST_PASSWORD })
    expect((await logIn(server, 'made')).userId).toBe('@made:test.example')
  })

  test('administrators are appointed, and do not shut themselves out', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root4'), await enter(server, 'ann')]
    const guest = await enterAsGuest(server)
    await root.put(`${V1}/users/${ann.userId}/admin`, { admin: true })
    expect(await ann.get(`${V1}/users/${ann.userId}/admin`)).toEqual({ admin: true })
    expect(await root.refusal('PUT', `${V1}/users/${root.userId}/admin`, { admin: false })).toBe('403 M_FORBIDDEN')
    expect(await root.refusal('PUT', `${V1}/users/${guest.userId}/admin`, { admin: true })).toBe('403 M_FORBIDDEN')
    expect(await root.refusal('POST', `${V1}/deactivate/${root.userId}`, {})).toBe('403 M_FORBIDDEN')
    expect(await root.refusal('PUT', `${V2}/users/${root.userId}`, { locked: true })).toBe('403 M_FORBIDDEN')
    expect(await root.refusal('PUT', `${V1}/suspend/${root.userId}`, { suspend: true })).toBe('403 M_FORBIDDEN')
    await root.put(`${V1}/suspend/${ann.userId}`, { suspend: true })
    expect(await ann.refusal('POST', '/createRoom', {})).toBe('403 M_USER_SUSPENDED')
    for (const userId of ['@nobody:test.example', '@away:elsewhere.example']) {
      const status = userId.startsWith('@nobody') ? '404 M_NOT_FOUND' : '400 M_INVALID_PARAM'
      expect(await root.refusal('GET', `${V2}/users/${userId}`)).toBe(status)
      expect(await root.refusal('GET', `${V1}/whois/${userId}`)).toBe(status)
    }
  })

  test('devices are listed, named and ended', async () => {
    const [root, ben] = [await enterAsAdmin(server, 'root5'), await enter(server, 'ben')]
    const [phone, tablet] = [await logIn(server, 'ben'), await logIn(server, 'ben')]
    const path = `${V2}/users/${ben.userId}`
    expect((await root.get(`${path}/devices`)).total).toBe(3)
    await root.put(`${path}/devices/${phone.deviceId}`, { display_name: 'lost phone' })
    expect(await root.get(`${path}/devices/${phone.deviceId}`)).toMatchObject({ display_name: 'lost phone' })
    expect((await root.get(`${V1}/whois/${ben.userId}`)).devices).toHaveProperty(phone.deviceId)
    await root.delete(`${path}/devices/${phone.deviceId}`)
    await root.post(`${path}/delete_devices`, { devices: [tablet.deviceId] })
    for (const gone of [phone, tablet]) expect(await gone.refusal('GET', '/account/whoami')).toBe('401 M_UNKNOWN_TOKEN')
    expect(await root.refusal('DELETE', `${path}/devices/${phone.deviceId}`)).toBe('404 M_NOT_FOUND')
    expect((await ben.get('/devices')).devices).toHaveLength(1)
  })
})
