import { expect, test } from 'vitest'
import { write } from '../../../src/actions/write.ts'
import { sql } from '../../../src/db/sql.ts'
import { eachServer } from '../../helpers/each-server.ts'
import { enter, enterAsAdmin, type Json } from '../../helpers/session.ts'

const V1 = '/_synapse/admin/v1'
const V3 = '/_synapse/admin/v3'

eachServer({}, (server) => {
  test('what is kept of a user is shown: account data, pushers, memberships', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root'), await enter(server, 'ann')]
    const room = await ann.createRoom({})
    await ann.put(`/user/${ann.userId}/account_data/org.example.a`, { a: 1 })
    await ann.put(`/user/${ann.userId}/rooms/${encodeURIComponent(room)}/account_data/org.example.b`, { b: 2 })
    const { account_data: data } = await root.get(`${V1}/users/${ann.userId}/accountdata`)
    expect(data.global['org.example.a']).toEqual({ a: 1 })
    expect(data.rooms).toEqual({ [room]: { 'org.example.b': { b: 2 } } })
    const pusher = {
      app_id: 'org.example.app',
      pushkey: 'key',
      kind: 'http',
      app_display_name: 'App',
      device_display_name: 'Phone',
      lang: 'en',
      data: { url: 'https://push.example.org/_matrix/push/v1/notify' },
    }
    await ann.post('/pushers/set', pusher)
    expect(await root.get(`${V1}/users/${ann.userId}/pushers`)).toMatchObject({ pushers: [pusher], total: 1 })
    const gone = await ann.createRoom({})
    await ann.post(`/rooms/${encodeURIComponent(gone)}/leave`, {})
    expect((await root.get(`${V1}/users/${ann.userId}/memberships`)).memberships).toEqual({
      [room]: 'join',
      [gone]: 'leave',
    })
    expect(await root.refusal('GET', `${V1}/users/@nobody:test.example/pushers`)).toBe('404 M_NOT_FOUND')
  })

  test('an administrator acts as a user, who sees no device of it', async () => {
    const [root, ben] = [await enterAsAdmin(server, 'root2'), await enter(server, 'ben')]
    const { access_token: token } = await root.post(`${V1}/users/${ben.userId}/login`, {})
    const as = (method: string, path: string, body?: object) =>
      server.call(method, `/_matrix/client/v3${path}`, { token, ...(body && { body }) })
    expect((await as('GET', '/account/whoami')).body).toMatchObject({ user_id: ben.userId })
    expect((await ben.get('/devices')).devices).toHaveLength(1)
    expect((await as('POST', '/createRoom', {})).status).toBe(200)
    expect((await as('GET', '/sync')).status).toBe(200)
    expect((await as('POST', '/logout', {})).status).toBe(200)
    expect((await as('GET', '/account/whoami')).status).toBe(401)
    expect(await ben.get('/account/whoami')).toMatchObject({ user_id: ben.userId })
    const late = await root.post(`${V1}/users/${ben.userId}/login`, { valid_until_ms: 1 })
    expect((await server.call('GET', '/_matrix/client/v3/account/whoami', { token: late.access_token })).status).toBe(
      401,
    )
    expect(await root.refusal('POST', `${V1}/users/${root.userId}/login`, {})).toBe('400 M_INVALID_PARAM')
    await root.put(`/_synapse/admin/v2/users/${ben.userId}`, { locked: true })
    expect(await root.refusal('POST', `${V1}/users/${ben.userId}/login`, {})).toBe('401 M_USER_LOCKED')
  })

  test('users are found by their names, addresses and logins elsewhere', async () => {
    const root = await enterAsAdmin(server, 'root3')
    expect(await root.get(`${V1}/username_available?username=free_name`)).toEqual({ available: true })
    expect(await root.refusal('GET', `${V1}/username_available?username=root3`)).toBe('400 M_USER_IN_USE')
    expect(await root.refusal('GET', `${V1}/username_available?username=ÄÖ`)).toBe('400 M_INVALID_USERNAME')
    expect(await root.refusal('GET', `${V1}/threepid/email/users/no@example.org`)).toBe('404 M_NOT_FOUND')
    expect(await root.refusal('GET', `${V1}/auth_providers/oidc/users/subject`)).toBe('404 M_NOT_FOUND')
  })

  test('the newer list has closed accounts, open ones or both, and locked ones if asked for', async () => {
    const root = await enterAsAdmin(server, 'root4')
    const [open, closed, locked] = [
      await enter(server, 'l_open'),
      await enter(server, 'l_shut'),
      await enter(server, 'l_held'),
    ]
    await root.put(`/_synapse/admin/v2/users/${closed.userId}`, { deactivated: true })
    await root.put(`/_synapse/admin/v2/users/${locked.userId}`, { locked: true })
    const names = async (query: string) =>
      (await root.get(`${V3}/users?user_id=l_&${query}`)).users.map((user: Json) => user.name)
    expect(await names('')).toEqual([open.userId, closed.userId])
    expect(await names('locked=true')).toEqual([locked.userId, open.userId, closed.userId])
    expect(await names('deactivated=true')).toEqual([closed.userId])
    expect(await names('deactivated=false')).toEqual([open.userId])
    expect(await names('admins=true')).toEqual([])
    expect((await root.get(`${V3}/users?admins=true&user_id=root4`)).users).toHaveLength(1)
  })

  test('how much of the media is whose', async () => {
    const [root, ann, ben] = [
      await enterAsAdmin(server, 'root5'),
      await enter(server, 'media_ann'),
      await enter(server, 'media_ben'),
    ]
    const upload = (user: Json, bytes: number) =>
      fetch(`${server.url}/_matrix/media/v3/upload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${user.token}`, 'content-type': 'text/plain' },
        body: 'x'.repeat(bytes),
      })
    await upload(ann, 10)
    await upload(ann, 20)
    await upload(ben, 100)
    const list = async (query: string) => root.get(`${V1}/statistics/users/media?search_term=MEDIA_&${query}`)
    expect(await list('')).toEqual({
      users: [
        { user_id: ann.userId, displayname: 'media_ann', media_count: 2, media_length: 30 },
        { user_id: ben.userId, displayname: 'media_ben', media_count: 1, media_length: 100 },
      ],
      total: 2,
    })
    expect((await list('order_by=media_length&dir=b&limit=1')).users[0].user_id).toBe(ben.userId)
    expect((await list('limit=1')).next_token).toBe(1)
    expect((await list('until_ts=1')).users).toEqual([])
    await ann.put(`/profile/${encodeURIComponent(ann.userId)}/displayname`, { displayname: 'Élodie' })
    const found = await root.get(`${V1}/statistics/users/media?search_term=${encodeURIComponent('ÉLOD')}`)
    expect(found.total).toBe(1)
    const noName = sql`DELETE FROM profiles WHERE user_id = ${ben.userId}`
    await write(server.app, { guards: [], writes: [noName], log: [] })
    expect((await list('order_by=displayname')).users.map((user: Json) => user.displayname)).toEqual([null, 'Élodie'])
  })
})
