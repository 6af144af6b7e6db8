import { expect, test } from 'vitest'
import { FEATURES } from '../../src/http/client/versions.ts'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { OLDER_PATHS } from '../../src/http/older-paths.ts'
import { eachServer } from '../helpers/each-server.ts'
import { enter, enterAsAdmin, inRoom } from '../helpers/session.ts'
import { SPEC } from '../spec/table.ts'

const UNSTABLE = '/_matrix/client/unstable'
const served = new Set(ENDPOINTS.map(({ method, path }) => `${method} ${path}`))

test('older names stand for endpoints of the specification, or such as are served', () => {
  const names = [...OLDER_PATHS.keys(), ...FEATURES.flatMap(([, endpoints]) => endpoints)]
  expect(names.filter((key) => !served.has(key) && !SPEC.some((row) => row.key === key))).toEqual([])
})

eachServer({ oauth: { enabled: true } }, (server) => {
  test('every older path answers as the endpoint does', async () => {
    const user = await enter(server, 'anyone')
    const older = [...OLDER_PATHS].filter(([key]) => served.has(key))
    expect(older.length).toBeGreaterThan(10)
    for (const [key, paths] of older) {
      const [method = '', path = ''] = key.split(' ')
      const ask = async (name: string) => {
        const { status, body } = await user.call(
          method,
          name.replace(/\{\w+\}/g, 'x'),
          method === 'GET' ? undefined : {},
        )
        return [status, body.errcode, body.error]
      }
      const answer = await ask(path)
      for (const name of paths) expect([name, ...(await ask(name))]).toEqual([name, ...answer])
      expect(answer).not.toContain('M_UNRECOGNIZED')
    }
  })

  test('without a transaction id every request is another event, and takes the same content', async () => {
    const alice = await enter(server, 'alicia')
    const room = inRoom(await alice.createRoom({}))
    const body = { msgtype: 'm.text', body: 'tea?' }
    const [first, second] = [
      await alice.post(`${room}/send/m.room.message`, body),
      await alice.post(`${room}/send/m.room.message`, body),
    ]
    expect(first.event_id).not.toBe(second.event_id)
    await alice.post(`${room}/redact/${encodeURIComponent(first.event_id)}`, { reason: 'twice' })
    expect((await alice.get(`${room}/event/${encodeURIComponent(first.event_id)}`)).content).toEqual({})
    expect((await alice.get(`${room}/event/${encodeURIComponent(second.event_id)}`)).content).toEqual(body)
    expect(await alice.refused('POST', `${room}/send/m.room.message`, { price: 1.5 })).toBe('400 M_BAD_JSON')
    expect(await alice.refused('POST', `${room}/redact/nothing`, {})).toBe('400 M_INVALID_PARAM')
  })

  test('clients of before are served: summaries, profiles, threads, spaces, dates, aliases, reports', async () => {
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom({ preset: 'public_chat', name: 'Tea', room_alias_name: 'tea' })
    await bob.join(room)
    const id = encodeURIComponent(room)
    for (const path of [`summary/${id}`, `rooms/${id}/summary`])
      expect(await alice.get(`${UNSTABLE}/im.nheko.summary/${path}`)).toMatchObject({ room_id: room, name: 'Tea' })
    const field = `${UNSTABLE}/uk.tcpip.msc4133/profile/${encodeURIComponent(alice.userId)}/org.example.zone`
    await alice.put(field, { 'org.example.zone': 'CET' })
    expect(await alice.get(field)).toEqual({ 'org.example.zone': 'CET' })
    await alice.delete(field)
    expect(await alice.refused('GET', field)).toBe('404 M_NOT_FOUND')
    const root = await alice.send(room, 'root')
    await bob.send(room, { body: 'reply', 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
    const threads = await alice.get(`${UNSTABLE}/org.matrix.msc3856/rooms/${id}/threads`)
    expect(threads.chunk[0].event_id).toBe(root)
    expect((await alice.get(`${UNSTABLE}/org.matrix.msc2946/rooms/${id}/hierarchy`)).rooms[0].room_id).toBe(room)
    const near = await alice.get(`${UNSTABLE}/org.matrix.msc3030/rooms/${id}/timestamp_to_event?ts=0&dir=f`)
    expect(near.event_id).toMatch(/^\$/)
    const { aliases } = await alice.get(`${UNSTABLE}/org.matrix.msc2432/rooms/${id}/aliases`)
    expect(aliases).toEqual(['#tea:test.example'])
    await bob.post(`${UNSTABLE}/org.matrix.msc4151${inRoom(room)}/report`, { reason: 'cold' })
    await bob.post(`${UNSTABLE}/org.matrix.msc4260/users/${encodeURIComponent(alice.userId)}/report`, {
      reason: 'late',
    })
    const other = encodeURIComponent(bob.userId)
    const shared = await alice.get(`${UNSTABLE}/uk.half-shot.msc2666/user/mutual_rooms?user_id=${other}`)
    expect(shared.joined).toEqual([room])
    const admin = await enterAsAdmin(server, 'root')
    const lock = `${UNSTABLE}/uk.timedout.msc4323/admin/lock/${other}`
    await admin.put(lock, { locked: true })
    expect(await admin.get(lock)).toEqual({ locked: true })
  })

  test('features are announced with the endpoints that they need', async () => {
    const { unstable_features: features } = (await server.call('GET', '/_matrix/client/versions')).body
    const works = FEATURES.filter(([, endpoints]) => endpoints.every((key) => served.has(key)))
    expect(features).toEqual(Object.fromEntries(works.map(([name]) => [name, true])))
    expect(features).toMatchObject({ 'org.matrix.msc3440.stable': true, 'uk.tcpip.msc4133.stable': true })
  })
})
