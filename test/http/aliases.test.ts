import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, inRoom } from '../helpers/session.ts'

const BYTES_MAX = 255

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  async function start(): Promise<TestServer> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    const server = await startTestServer({}, uri)
    running.push(server)
    return server
  }

  const aliasPath = (alias: string) => `/directory/room/${encodeURIComponent(alias)}`

  test('an alias is made, found, listed, taken and removed', async () => {
    const server = await start()
    const [alice, bob, eve] = [await enter(server, 'alice'), await enter(server, 'bob'), await enter(server, 'eve')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    const other = await bob.createRoom()
    await bob.post(`${inRoom(room)}/join`)
    const tea = '##☕:test.example'
    await bob.put(aliasPath(tea), { room_id: room })
    const found = await server.call('GET', `/_matrix/client/v3${aliasPath(tea)}`)
    expect([found.status, found.body]).toEqual([200, { room_id: room, servers: ['test.example'] }])
    expect(await alice.get(`${inRoom(room)}/aliases`)).toEqual({ aliases: [tea] })
    expect(await eve.refused('GET', `${inRoom(room)}/aliases`)).toBe('403 M_FORBIDDEN')
    await alice.put(`${inRoom(room)}/state/m.room.history_visibility`, { history_visibility: 'world_readable' })
    expect(await eve.get(`${inRoom(room)}/aliases`)).toEqual({ aliases: [tea] })
    expect(await eve.post(`/join/${encodeURIComponent(tea)}`)).toEqual({ room_id: room })

    expect(await bob.refused('PUT', aliasPath(tea), { room_id: other })).toBe('409 M_UNKNOWN')
    expect(await alice.refused('PUT', aliasPath('#x:test.example'), { room_id: other })).toBe('403 M_FORBIDDEN')
    expect(await alice.refused('PUT', aliasPath('#x:elsewhere'), { room_id: room })).toBe('400 M_INVALID_PARAM')
    expect(await alice.refused('PUT', aliasPath('x'), { room_id: room })).toBe('400 M_INVALID_PARAM')
    expect(await alice.refused('PUT', aliasPath('#x:test.example'), {})).toBe('400 M_MISSING_PARAM')
    expect(await alice.refused('PUT', aliasPath('#x:test.example'), { room_id: '!no:x' })).toBe('404 M_NOT_FOUND')
    const longest = `#${'a'.repeat(BYTES_MAX - '#:test.example'.length)}:test.example`
    expect(await alice.refused('PUT', aliasPath(longest.replace('#', '#a')), { room_id: room })).toBe(
      '400 M_INVALID_PARAM',
    )
    await alice.put(aliasPath(longest), { room_id: room })

    expect(await eve.refused('DELETE', aliasPath(tea))).toBe('403 M_FORBIDDEN')
    await bob.delete(aliasPath(tea))
    expect(await bob.refused('DELETE', aliasPath(tea))).toBe('404 M_NOT_FOUND')
    expect(await bob.refused('GET', aliasPath(tea))).toBe('404 M_NOT_FOUND')
    expect(await bob.refused('GET', aliasPath('tea'))).toBe('400 M_INVALID_PARAM')
  })

  test('the room’s list of aliases names only its own, and follows what is removed', async () => {
    const server = await start()
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const room = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'one' })
    await alice.createRoom({ room_alias_name: 'foreign' })
    await bob.post(`${inRoom(room)}/join`)
    await bob.put(aliasPath('#two:test.example'), { room_id: room })
    const canonical = `${inRoom(room)}/state/m.room.canonical_alias`
    const refused = (content: object) => alice.refused('PUT', canonical, content)
    expect(await refused({ alias: '#none:test.example' })).toBe('400 M_BAD_ALIAS')
    expect(await refused({ alias: '%one:test.example' })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ alias: 7 })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ alt_aliases: 'x' })).toBe('400 M_INVALID_PARAM')
    expect(await refused({ alt_aliases: ['#foreign:test.example'] })).toBe('400 M_BAD_ALIAS')
    const content = { alias: '#one:test.example', alt_aliases: ['#two:test.example'] }
    await alice.put(canonical, content)
    // Bob made it, and may not change the room: the alias goes, the room keeps naming it, and may go on doing so.
    await bob.delete(aliasPath('#two:test.example'))
    expect(await alice.state(room, 'm.room.canonical_alias')).toEqual(content)
    await alice.put(canonical, { ...content, note: 'kept' })
    // Alice may change the room, so that it forgets the name with the alias.
    await alice.delete(aliasPath('#one:test.example'))
    expect(await alice.state(room, 'm.room.canonical_alias')).toEqual({
      alt_aliases: ['#two:test.example'],
      note: 'kept',
    })
    await alice.put(canonical, {})
  })

  test('who may change the room’s aliases deletes those of others and publishes the room', async () => {
    const server = await start()
    const [alice, bob, eve] = [await enter(server, 'alice'), await enter(server, 'bob'), await enter(server, 'eve')]
    const room = await alice.createRoom({
      preset: 'public_chat',
      room_version: '11',
      power_level_content_override: { users: { [alice.userId]: 100, [bob.userId]: 50 } },
    })
    for (const member of [bob, eve]) await member.post(`${inRoom(room)}/join`)
    await alice.put(aliasPath('#a:test.example'), { room_id: room })
    await bob.delete(aliasPath('#a:test.example'))
    const list = `/directory/list/room/${encodeURIComponent(room)}`
    expect(await eve.get(list)).toEqual({ visibility: 'private' })
    expect(await eve.refused('PUT', list, { visibility: 'public' })).toBe('403 M_FORBIDDEN')
    await bob.put(list, {})
    expect(await eve.get(list)).toEqual({ visibility: 'public' })
    await bob.put(list, { visibility: 'private' })
    expect(await eve.get(list)).toEqual({ visibility: 'private' })
    expect(await bob.refused('PUT', list, { visibility: 'secret' })).toBe('400 M_BAD_JSON')
    expect(await bob.refused('PUT', '/directory/list/room/!x:y', {})).toBe('404 M_NOT_FOUND')
    expect(await bob.refused('GET', '/directory/list/room/!x:y')).toBe('404 M_NOT_FOUND')
  })
})
