import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, type Session } from '../helpers/session.ts'

const ALGORITHM = 'm.megolm_backup.v1.curve25519-aes-sha2'
const VERSION = '/room_keys/version'
const KEYS = '/room_keys/keys'
const ROOM = '!a:test.example'

function key(data: object = {}) {
  const session_data = { ciphertext: 'c', ephemeral: 'e', mac: 'm' }
  return { first_message_index: 3, forwarded_count: 1, is_verified: false, session_data, ...data }
}

function inBackup(version: string, ...steps: string[]) {
  return `${[KEYS, ...steps.map(encodeURIComponent)].join('/')}?version=${version}`
}

async function begin(user: Session): Promise<string> {
  return (await user.post(VERSION, { algorithm: ALGORITHM, auth_data: { public_key: 'abc' } })).version
}

eachServer({}, (server) => {
  test('a backup is made, read, changed, deleted, and its number never given again', async () => {
    const alice = await enter(server, 'versions')
    expect(await alice.refused('GET', VERSION)).toBe('404 M_NOT_FOUND')
    const first = await begin(alice)
    const info = { algorithm: ALGORITHM, auth_data: { public_key: 'abc' }, count: 0, etag: '0', version: first }
    expect(await alice.get(VERSION)).toEqual(info)
    expect(await alice.get(`${VERSION}/${first}`)).toEqual(info)
    const changed = { public_key: 'abc', signatures: { '@versions:test.example': { 'ed25519:D': 'sig' } } }
    await alice.put(`${VERSION}/${first}`, { algorithm: ALGORITHM, auth_data: changed, version: first })
    expect((await alice.get(VERSION)).auth_data).toEqual(changed)
    const other = { algorithm: 'other', auth_data: {} }
    expect(await alice.refused('PUT', `${VERSION}/${first}`, other)).toBe('400 M_INVALID_PARAM')
    const misnamed = { algorithm: ALGORITHM, auth_data: {}, version: '99' }
    expect(await alice.refused('PUT', `${VERSION}/${first}`, misnamed)).toBe('400 M_INVALID_PARAM')
    expect(await alice.refused('PUT', `${VERSION}/99`, { ...misnamed })).toBe('404 M_NOT_FOUND')

    const second = await begin(alice)
    expect((await alice.get(VERSION)).version).toBe(second)
    await alice.put(inBackup(second, ROOM, 's'), key())
    await alice.delete(`${VERSION}/${second}`)
    await alice.delete(`${VERSION}/${second}`)
    expect((await alice.get(VERSION)).version).toBe(first)
    expect(await alice.refused('GET', `${VERSION}/${second}`)).toBe('404 M_NOT_FOUND')
    expect(await alice.refused('GET', inBackup(second))).toBe('404 M_NOT_FOUND')
    for (const unknown of ['99', 'bogus', '-1', '1e3', '99999999999999999999'])
      expect(await alice.refused('DELETE', `${VERSION}/${unknown}`)).toBe('404 M_NOT_FOUND')
    const third = await begin(alice)
    expect([first, second]).not.toContain(third)
    expect(await alice.get(inBackup(third))).toEqual({ rooms: {} })
  })

  test('keys come back as they were stored: one, those of a room, all', async () => {
    const alice = await enter(server, 'keys')
    const version = await begin(alice)
    expect(await alice.get(inBackup(version, ROOM))).toEqual({ sessions: {} })
    expect(await alice.refused('GET', inBackup(version, ROOM, 's/1'))).toBe('404 M_NOT_FOUND')
    expect(await alice.put(inBackup(version, ROOM, 's/1'), key())).toEqual({ count: 1, etag: '1' })
    const sessions = { 's/1': key(), s2: key({ is_verified: true }) }
    expect(await alice.put(inBackup(version, ROOM), { sessions })).toEqual({ count: 2, etag: '2' })
    const rooms = { [ROOM]: { sessions }, '!b:test.example': { sessions: { s3: key() } } }
    expect((await alice.put(inBackup(version), { rooms })).count).toBe(3)
    expect(await alice.get(inBackup(version, ROOM, 's/1'))).toEqual(key())
    expect(await alice.get(inBackup(version, ROOM))).toEqual({ sessions })
    expect(await alice.get(inBackup(version))).toEqual({ rooms })

    const before = (await alice.get(VERSION)).etag
    expect((await alice.delete(inBackup(version, ROOM, 's2'))).count).toBe(2)
    expect((await alice.get(VERSION)).etag).not.toBe(before)
    expect(await alice.delete(inBackup(version, ROOM, 'gone'))).toEqual(
      await alice.delete(inBackup(version, ROOM, 's2')),
    )
    expect((await alice.delete(inBackup(version, ROOM))).count).toBe(1)
    expect(await alice.get(inBackup(version))).toEqual({ rooms: { '!b:test.example': rooms['!b:test.example'] } })
    expect((await alice.delete(inBackup(version))).count).toBe(0)
    expect(await alice.refused('DELETE', inBackup('99'))).toBe('404 M_NOT_FOUND')
    const bob = await enter(server, 'other')
    expect(await bob.refused('GET', inBackup(version))).toBe('404 M_NOT_FOUND')
  })

  test.each([
    ['verified wins', { is_verified: true, first_message_index: 9, forwarded_count: 9 }, true],
    ['an earlier index wins', { first_message_index: 2, forwarded_count: 9 }, true],
    ['fewer forwards win', { forwarded_count: 0 }, true],
    ['the same loses', {}, false],
    ['a later index loses', { first_message_index: 4, forwarded_count: 0 }, false],
    ['more forwards lose', { forwarded_count: 2 }, false],
  ])('of two keys of a session the better one stays: %s', async (name, given, wins) => {
    const user = await enter(server, `better_${name.replaceAll(' ', '_')}`)
    const version = await begin(user)
    const { etag } = await user.put(inBackup(version, ROOM, 's'), key({ session_data: { was: 'first' } }))
    const second = key({ ...given, session_data: { was: 'second' } })
    const answer = await user.put(inBackup(version, ROOM, 's'), second)
    expect((await user.get(inBackup(version, ROOM, 's'))).session_data.was).toBe(wins ? 'second' : 'first')
    expect([answer.count, answer.etag !== etag]).toEqual([1, wins])
    // And the other way round.
    const worse = await user.put(inBackup(version, ROOM, 's'), key({ session_data: { was: 'third' } }))
    expect((await user.get(inBackup(version, ROOM, 's'))).session_data.was).toBe(wins ? 'second' : 'first')
    expect(worse.etag).toBe(answer.etag)
  })

  test('keys are stored in the current backup alone', async () => {
    const alice = await enter(server, 'current')
    expect(await alice.refused('PUT', inBackup('1', ROOM, 's'), key())).toBe('404 M_NOT_FOUND')
    const [old, current] = [await begin(alice), await begin(alice)]
    const reply = await alice.call('PUT', inBackup(old, ROOM, 's'), key())
    expect([reply.status, reply.body]).toEqual([
      403,
      { errcode: 'M_WRONG_ROOM_KEYS_VERSION', error: expect.any(String), current_version: current },
    ])
    expect(await alice.refused('PUT', inBackup('99', ROOM, 's'), key())).toBe('404 M_NOT_FOUND')
    expect((await alice.get(`${VERSION}/${old}`)).count).toBe(0)
  })

  test('what is no key is refused, and nothing of it stored', async () => {
    const alice = await enter(server, 'hostile')
    const version = await begin(alice)
    const bad = [
      { ...key(), first_message_index: -1 },
      { ...key(), forwarded_count: 2 ** 53 },
      { ...key(), is_verified: 'yes' },
      { first_message_index: 1, forwarded_count: 1, is_verified: true },
      null,
      [],
    ]
    for (const data of bad) {
      for (const sessionId of ['s', 's\n'])
        expect(
          (await alice.call('PUT', inBackup(version, ROOM), { sessions: { good: key(), [sessionId]: data } })).status,
        ).toBe(400)
    }
    const sessions = { good: key(), bad: key({ session_data: { c: 'x'.repeat(65_536) } }) }
    expect(await alice.refused('PUT', inBackup(version, ROOM), { sessions })).toBe('413 M_TOO_LARGE')
    for (const id of ['x'.repeat(256), 'a\0b']) {
      const rooms = { [ROOM]: { sessions: { good: key(), [id]: key() } } }
      expect(await alice.refused('PUT', inBackup(version), { rooms })).toBe('400 M_INVALID_PARAM')
      expect(await alice.refused('PUT', inBackup(version), { rooms: { [id]: rooms[ROOM] } })).toBe(
        '400 M_INVALID_PARAM',
      )
    }
    expect((await alice.call('PUT', inBackup(version), { rooms: { [`${ROOM}\n`]: null } })).status).toBe(400)
    expect((await alice.call('PUT', KEYS, { rooms: {} })).body.errcode).toBe('M_MISSING_PARAM')
    const large = { algorithm: ALGORITHM, auth_data: { x: 'x'.repeat(65_536) } }
    expect(await alice.refused('POST', VERSION, large)).toBe('413 M_TOO_LARGE')
    expect(await alice.get(inBackup(version))).toEqual({ rooms: {} })
    await alice.put(inBackup(version, ROOM, 'x'.repeat(255)), key({ session_data: { nul: 'a \0' } }))
    expect((await alice.get(inBackup(version, ROOM, 'x'.repeat(255)))).session_data.nul).toBe('a \0')
  })

  test('of many at once nothing is lost: versions differ, the best key stays, every change counts', async () => {
    const alice = await enter(server, 'racer')
    const versions = await Promise.all(Array.from({ length: 20 }, () => begin(alice)))
    expect(new Set(versions).size).toBe(20)
    const { version } = await alice.get(VERSION)
    const indexes = Array.from({ length: 40 }, (_, n) => (n * 7) % 40)
    const answers = await Promise.all(
      indexes.map((first_message_index) =>
        alice.put(inBackup(version), {
          rooms: {
            [ROOM]: { sessions: { shared: key({ first_message_index }), [`own${first_message_index}`]: key() } },
          },
        }),
      ),
    )
    expect(answers.every(({ count }) => count >= 2)).toBe(true)
    const { sessions } = await alice.get(inBackup(version, ROOM))
    expect([sessions.shared.first_message_index, Object.keys(sessions).length]).toEqual([0, 41])
    expect(Number((await alice.get(VERSION)).etag)).toBeGreaterThanOrEqual(41)
  })

  test('thousands of keys go in one body and come in one answer', async () => {
    const alice = await enter(server, 'many')
    const version = await begin(alice)
    const sessions = Object.fromEntries(Array.from({ length: 2_500 }, (_, n) => [`s${n}`, key()]))
    const rooms = { [ROOM]: { sessions }, '!b:test.example': { sessions: { one: key() } } }
    expect((await alice.put(inBackup(version), { rooms })).count).toBe(2_501)
    expect(await alice.get(inBackup(version))).toEqual({ rooms })
  })
})
