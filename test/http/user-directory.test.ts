import { expect, test } from 'vitest'
import { findByName } from '../../src/store/user-directory.ts'
import { eachServer } from '../helpers/each-server.ts'
import { enter, inRoom, type Session } from '../helpers/session.ts'

const PATH = '/user_directory/search'

eachServer({}, (server) => {
  const rename = (user: Session, displayname: string) =>
    user.put(`/profile/${encodeURIComponent(user.userId)}/displayname`, { displayname })
  const find = async (user: Session, search_term: string) =>
    (await user.post(PATH, { search_term })).results.map((found: { user_id: string }) => found.user_id)

  test('who shares a room is found by id and name, whatever the case; others are not', async () => {
    const [alice, bob, eve] = [await enter(server, 'alice1'), await enter(server, 'bob1'), await enter(server, 'eve1')]
    await rename(bob, 'Bäckermeister Röhrich 東京')
    const roomId = await alice.createRoom({ preset: 'private_chat', invite: [bob.userId] })
    expect(await find(alice, 'backerm')).toEqual([])
    await bob.join(roomId)
    for (const term of ['backerm', 'RÖHRICH', 'rohrich bäck', 'BOB1', '@bob1', bob.userId, '東京', '東'])
      expect([term, await find(alice, term)]).toEqual([term, [bob.userId]])
    for (const term of ['', '!?', 'backermeisters', 'bob1 elsewhere', '@bob1:other.example', 'alice1'])
      expect([term, await find(alice, term)]).toEqual([term, []])
    expect(await find(eve, 'bob1')).toEqual([])
    await rename(bob, 'Kunz')
    expect(await find(alice, 'rohrich')).toEqual([])
    expect(await find(alice, 'kunz')).toEqual([bob.userId])
    await bob.post(`${inRoom(roomId)}/leave`)
    expect(await find(alice, 'kunz')).toEqual([])
  })

  test('public and world-readable rooms show their members to everybody, as long as they are that', async () => {
    const [alice, eve] = [await enter(server, 'alice2'), await enter(server, 'eve2')]
    const roomId = await alice.createRoom({ preset: 'private_chat' })
    expect([await find(eve, 'alice2'), await find(alice, 'alice2')]).toEqual([[], []])
    for (const [type, content, ending] of [
      ['m.room.join_rules', { join_rule: 'public' }, { join_rule: 'invite' }],
      ['m.room.history_visibility', { history_visibility: 'world_readable' }, { history_visibility: 'shared' }],
    ] as const) {
      await alice.setState(roomId, type, content)
      // What everybody finds they find too.
      expect([await find(eve, 'alice2'), await find(alice, 'alice2')]).toEqual([[alice.userId], [alice.userId]])
      await alice.setState(roomId, type, ending)
      expect(await find(eve, 'alice2')).toEqual([])
    }
  })

  test('a name that somebody bears in one room alone is not given away in another', async () => {
    const [alice, bob, eve] = [await enter(server, 'alice3'), await enter(server, 'bob3'), await enter(server, 'eve3')]
    const open = await bob.createRoom({ preset: 'public_chat' })
    const closed = await bob.createRoom({ preset: 'private_chat', invite: [alice.userId] })
    await alice.join(closed)
    const secret = { membership: 'join', displayname: 'Confidential' }
    await bob.setState(closed, 'm.room.member', secret, bob.userId)
    await eve.join(open)
    expect((await eve.post(PATH, { search_term: 'bob3' })).results).toEqual([
      { user_id: bob.userId, display_name: 'bob3' },
    ])
    expect(await find(eve, 'confidential')).toEqual([])
    const erase = { auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: bob.userId } } }
    const password = { ...erase.auth, password: 'correct horse battery' }
    await bob.post('/account/deactivate', { auth: password })
    expect(await find(eve, 'bob3')).toEqual([])
  })

  test('the exact name comes first, and an answer that was cut short says so', async () => {
    const alice = await enter(server, 'alice4')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const others: Session[] = []
    for (const name of ['mika4x', 'mika4', 'mika4y']) others.push(await enter(server, name))
    for (const other of others) await other.join(roomId)
    const all = await alice.post(PATH, { search_term: 'mika4' })
    expect(all.limited).toBe(false)
    expect(all.results[0]).toEqual({ user_id: others[1]!.userId, display_name: 'mika4' })
    expect(all.results).toHaveLength(3)
    const few = await alice.post(PATH, { search_term: 'mika', limit: 2 })
    expect([few.results.length, few.limited]).toEqual([2, true])
    expect(await alice.refusal('POST', PATH, { search_term: 'x', limit: 0 })).toBe('400 M_INVALID_PARAM')
    expect(await alice.refusal('POST', PATH, { search_term: 'x'.repeat(513) })).toBe('400 M_BAD_JSON')
    expect(await alice.refusal('POST', PATH, {})).toBe('400 M_MISSING_PARAM')
  })

  test('a very common beginning is looked through to a limit, in moderate time', async () => {
    const alice = await enter(server, 'alice5')
    const many = Array.from({ length: 10_000 }, (_one, n) => findByName(`@zz${n}:test.example`, null))
    await server.app.db.commit({ guards: [], writes: many, log: [] })
    const started = performance.now()
    expect(await alice.post(PATH, { search_term: 'zz' })).toEqual({ results: [], limited: true })
    expect(performance.now() - started).toBeLessThan(2_000)
    // Of several words the rarest leads.
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const rare = await enter(server, 'zzrare')
    await rename(rare, 'zz Quokka')
    await rare.join(roomId)
    expect(await find(alice, 'zz quok')).toEqual([rare.userId])
  })
})
