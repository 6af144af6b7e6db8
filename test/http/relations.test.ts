import { expect, test } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { enter, inRoom, type Json, type Session } from '../helpers/session.ts'

eachServer({}, (server) => {
  let people = 0
  const newSession = () => enter(server, `relating${people++}`)
  const idsOf = (events: Json[]) => events.map((event) => event.event_id)
  const v1 = (roomId: string, path: string) => `/_matrix/client/v1${inRoom(roomId)}/${path}`
  const related = (relType: string, eventId: string, more: object = {}) => ({
    msgtype: 'm.text',
    body: relType,
    'm.relates_to': { rel_type: relType, event_id: eventId },
    ...more,
  })
  const edit = (eventId: string, body: string) => related('m.replace', eventId, { 'm.new_content': { body } })

  async function room(): Promise<[string, Session, Session]> {
    const [alice, bob] = [await newSession(), await newSession()]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    return [roomId, alice, bob]
  }

  async function bundled(user: Session, roomId: string, eventId: string): Promise<Json> {
    return (await user.get(`${inRoom(roomId)}/event/${eventId}`)).unsigned['m.relations']
  }

  test('the last valid edit is bundled, until it or the original is redacted', async () => {
    const [roomId, alice, bob] = await room()
    const original = await alice.send(roomId, 'one')
    await alice.send(roomId, edit(original, 'two'))
    const last = await alice.send(roomId, edit(original, 'three'))
    await bob.send(roomId, edit(original, 'by somebody else'))
    await alice.send(roomId, edit(original, 'of another type'), 'org.example.other')
    await alice.send(roomId, related('m.replace', original))
    const replacement = (await bundled(bob, roomId, original))['m.replace']
    expect(replacement).toMatchObject({
      event_id: last,
      room_id: roomId,
      content: { 'm.new_content': { body: 'three' } },
    })
    expect((await alice.get(`${inRoom(roomId)}/event/${original}`)).content.body).toBe('one')
    expect(await bundled(bob, roomId, last)).toBeUndefined()
    await alice.put(`${inRoom(roomId)}/redact/${last}/r1`, {})
    expect((await bundled(bob, roomId, original))['m.replace'].content['m.new_content'].body).toBe('two')
    await alice.put(`${inRoom(roomId)}/redact/${original}/r2`, {})
    expect(await bundled(bob, roomId, original)).toBeUndefined()
  })

  test('a thread is counted, with its last reply and the edit of that; references are listed', async () => {
    const [roomId, alice, bob] = await room()
    const carol = await newSession()
    await carol.join(roomId)
    const root = await alice.send(roomId, 'root')
    const first = await bob.send(roomId, related('m.thread', root))
    const last = await bob.send(roomId, related('m.thread', root))
    const edited = await bob.send(roomId, edit(last, 'better'))
    const [one, two] = [
      await bob.send(roomId, related('m.reference', root)),
      await alice.send(roomId, related('m.reference', root)),
    ]
    await bob.send(roomId, { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: 'x' } }, 'm.reaction')
    const all = await alice.get(`${inRoom(roomId)}/messages?dir=b&limit=50`)
    const {
      'm.thread': thread,
      'm.reference': references,
      ...others
    } = all.chunk.find((event: Json) => event.event_id === root).unsigned['m.relations']
    expect(others).toEqual({})
    expect(references).toEqual({ chunk: [{ event_id: one }, { event_id: two }] })
    expect(thread).toMatchObject({ count: 2, current_user_participated: true, latest_event: { event_id: last } })
    expect(thread.latest_event.unsigned['m.relations']['m.replace'].event_id).toBe(edited)
    expect((await bundled(bob, roomId, root))['m.thread'].current_user_participated).toBe(true)
    expect((await bundled(carol, roomId, root))['m.thread'].current_user_participated).toBe(false)
    await bob.put(`${inRoom(roomId)}/redact/${last}/r1`, {})
    const left = (await bundled(alice, roomId, root))['m.thread']
    expect(left).toMatchObject({ count: 1, latest_event: { event_id: first } })
    const ignored = { ignored_users: { [bob.userId]: {} } }
    await carol.put(`/user/${carol.userId}/account_data/m.ignored_user_list`, ignored)
    expect(await bundled(carol, roomId, root)).toEqual({ 'm.reference': { chunk: [{ event_id: two }] } })
  })

  test('hidden children are neither counted nor shown, in a long thread too', async () => {
    const [roomId, alice, bob] = await room()
    const root = await alice.send(roomId, 'root')
    const seen: string[] = []
    for (let n = 0; n < 3; n++) seen.push(await alice.send(roomId, related('m.thread', root)))
    await bob.post(`${inRoom(roomId)}/leave`)
    for (let n = 0; n < 60; n++) await alice.send(roomId, related('m.thread', root))
    await alice.send(roomId, edit(root, 'later'))
    const bobs = await bundled(bob, roomId, root)
    expect(bobs['m.replace']).toBeUndefined()
    expect(bobs['m.thread']).toMatchObject({ count: 3, latest_event: { event_id: seen[2] } })
    expect((await bundled(alice, roomId, root))['m.thread'].count).toBe(63)
    expect(idsOf((await bob.get(v1(roomId, `relations/${root}`))).chunk)).toEqual([...seen].reverse())
    const [listed] = (await bob.get(v1(roomId, 'threads'))).chunk
    expect(listed.unsigned['m.relations']['m.thread'].count).toBe(3)
  })

  test('relations are paged in both directions, by type, and with those below them', async () => {
    const [roomId, alice, bob] = await room()
    const root = await alice.send(roomId, 'root')
    const [one, two, three] = [
      await alice.send(roomId, related('m.thread', root)),
      await bob.send(roomId, related('m.reference', root), 'org.example.note'),
      await bob.send(roomId, related('m.reference', root)),
    ]
    const below = await alice.send(roomId, edit(one, 'better'))
    const list = async (path: string) => (await alice.get(v1(roomId, `relations/${root}${path}`))) as Json
    expect(idsOf((await list('')).chunk)).toEqual([three, two, one])
    expect((await list('')).next_batch).toBeUndefined()
    expect(idsOf((await list('/m.reference')).chunk)).toEqual([three, two])
    expect(idsOf((await list('/m.reference/org.example.note')).chunk)).toEqual([two])
    const recursed = await list('?recurse=true')
    expect([idsOf(recursed.chunk), recursed.recursion_depth]).toEqual([[below, three, two, one], 3])
    const page = await list('?limit=2')
    expect(idsOf(page.chunk)).toEqual([three, two])
    const rest = await list(`?limit=2&from=${page.next_batch}`)
    expect([idsOf(rest.chunk), rest.next_batch, rest.prev_batch]).toEqual([[one], undefined, page.next_batch])
    const forwards = await list('?dir=f&limit=2')
    expect(idsOf(forwards.chunk)).toEqual([one, two])
    expect(idsOf((await list(`?dir=f&from=${forwards.next_batch}`)).chunk)).toEqual([three])
    const { next_batch: now } = await alice.sync()
    await alice.send(roomId, related('m.thread', root))
    expect(idsOf((await list(`?from=${now}&limit=1`)).chunk)).toEqual([three])
    const stranger = await newSession()
    expect(await stranger.refusal('GET', v1(roomId, `relations/${root}`))).toBe('404 M_NOT_FOUND')
    expect(await alice.refusal('GET', v1(roomId, `relations/${root}?limit=0`))).toBe('400 M_INVALID_PARAM')
  })

  test('threads are listed by their last replies, all or those one took part in', async () => {
    const [roomId, alice, bob] = await room()
    const roots: string[] = []
    for (let n = 0; n < 3; n++) {
      roots.push(await alice.send(roomId, `root ${n}`))
      await alice.send(roomId, related('m.thread', roots[n] ?? ''))
    }
    await bob.send(roomId, related('m.thread', roots[0] ?? ''))
    const first = await alice.get(v1(roomId, 'threads?limit=2'))
    expect(idsOf(first.chunk)).toEqual([roots[0], roots[2]])
    expect(first.chunk[0].unsigned['m.relations']['m.thread'].count).toBe(2)
    const second = await alice.get(v1(roomId, `threads?limit=2&from=${first.next_batch}`))
    expect([idsOf(second.chunk), second.next_batch]).toEqual([[roots[1]], undefined])
    expect(idsOf((await bob.get(v1(roomId, 'threads?include=participated'))).chunk)).toEqual([roots[0]])
    expect(idsOf((await bob.get(v1(roomId, 'threads'))).chunk).length).toBe(3)
    expect(await (await newSession()).refusal('GET', v1(roomId, 'threads'))).toBe('403 M_FORBIDDEN')
    expect(await alice.refusal('GET', v1(roomId, 'threads?limit=0'))).toBe('400 M_INVALID_PARAM')
  })

  test('of a hundred equal reactions at once one counts', async () => {
    const [roomId, alice] = await room()
    const [otherId, , bob] = await room()
    const root = await alice.send(roomId, 'root')
    const like = { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: 'like' } }
    const path = `${inRoom(roomId)}/send/m.reaction`
    // While messages are being written the first reaction waits, unseen.
    const tries = Array.from({ length: 100 }, async (_, n) => {
      const [reaction] = await Promise.all([alice.call('PUT', `${path}/at-once-${n}`, like), bob.send(otherId, `${n}`)])
      return reaction
    })
    const statuses = (await Promise.all(tries)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 400)).toHaveLength(99)
  })

  test('threads do not nest, and the same reaction counts once', async () => {
    const [roomId, alice, bob] = await room()
    const root = await alice.send(roomId, 'root')
    const reply = await alice.send(roomId, related('m.thread', root))
    const path = `${inRoom(roomId)}/send`
    expect(await alice.refusal('PUT', `${path}/m.room.message/n1`, related('m.thread', reply))).toBe('400 M_UNKNOWN')
    const like = { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: 'like' } }
    const reaction = await alice.send(roomId, like, 'm.reaction')
    expect(await alice.refusal('PUT', `${path}/m.reaction/n2`, like)).toBe('400 M_DUPLICATE_ANNOTATION')
    await bob.send(roomId, like, 'm.reaction')
    await alice.put(`${inRoom(roomId)}/redact/${reaction}/r`, {})
    await alice.send(roomId, like, 'm.reaction')
  })

  test('members report events, and anybody rooms and users', async () => {
    const [roomId, alice, bob] = await room()
    const eventId = await alice.send(roomId, 'spam')
    await bob.post(`${inRoom(roomId)}/report/${eventId}`, { reason: 'spam', score: -100 })
    const stranger = await newSession()
    expect(await stranger.refusal('POST', `${inRoom(roomId)}/report/${eventId}`, {})).toBe('404 M_NOT_FOUND')
    expect(await bob.refusal('POST', `${inRoom(roomId)}/report/$nothing`, {})).toBe('404 M_NOT_FOUND')
    await stranger.post(`${inRoom(roomId)}/report`, { reason: 'a bad room' })
    await stranger.post(`/users/${alice.userId}/report`, { reason: '' })
    await stranger.post('/users/@nobody:test.example/report', { reason: '' })
    expect(await bob.refusal('POST', `${inRoom(roomId)}/report`, {})).toBe('400 M_MISSING_PARAM')
    const kept = await server.app.db.read(sql`SELECT kind, event_id, reason FROM reports
      WHERE reporter IN (${bob.userId}, ${stranger.userId}) ORDER BY report`)
    expect(kept).toEqual([
      { kind: 'event', event_id: eventId, reason: 'spam' },
      { kind: 'room', event_id: null, reason: 'a bad room' },
      { kind: 'user', event_id: null, reason: '' },
    ])
  })
})
