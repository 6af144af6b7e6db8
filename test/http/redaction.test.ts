import { expect, test } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { enter, type Session } from '../helpers/session.ts'

eachServer({}, (server) => {
  let alice: Session
  let bob: Session
  let people = 0

  const newSession = async () => enter(server, `user${people++}`)

  async function start(wish: object = {}): Promise<string> {
    alice = await newSession()
    bob = await newSession()
    const roomId = await alice.createRoom({ preset: 'public_chat', ...wish })
    await bob.join(roomId)
    return roomId
  }

  const redact = async (user: Session, roomId: string, eventId: string, body: object = {}, txnId = `r ${eventId}`) =>
    (await user.put(`/rooms/${roomId}/redact/${eventId}/${encodeURIComponent(txnId)}`, body)).event_id

  test('one redacts what one has said, a moderator what others have, and nobody else', async () => {
    const roomId = await start()
    const [mine, hers] = [await bob.send(roomId, 'by bob'), await alice.send(roomId, 'by alice')]
    expect(await bob.refusal('PUT', `/rooms/${roomId}/redact/${hers}/t`, {})).toBe('403 M_FORBIDDEN')
    const by = await redact(bob, roomId, mine, { reason: 'typo' })
    const event = await alice.get(`/rooms/${roomId}/event/${mine}`)
    expect(event).toMatchObject({ content: {}, sender: bob.userId, type: 'm.room.message' })
    expect(event.unsigned.redacted_because).toMatchObject({ event_id: by, content: { reason: 'typo', redacts: mine } })
    expect((await alice.get(`/rooms/${roomId}/event/${hers}`)).content.body).toBe('by alice')
    const second = await bob.send(roomId, 'again by bob')
    await redact(alice, roomId, second)
    expect((await bob.get(`/rooms/${roomId}/event/${second}`)).content).toEqual({})
    const originals = sql`SELECT content FROM redacted_originals WHERE event IN
      (SELECT event FROM events WHERE event_id IN (${mine}, ${second})) ORDER BY event`
    const kept = await server.app.db.read<{ content: string }>(originals)
    expect(kept.map((row) => JSON.parse(row.content).body)).toEqual(['by bob', 'again by bob'])
  })

  test('the first redaction stays the reason, and the same transaction is the same redaction', async () => {
    const roomId = await start()
    const eventId = await bob.send(roomId, 'x')
    const first = await redact(bob, roomId, eventId, { reason: 'one' }, 'once')
    expect(await redact(bob, roomId, eventId, { reason: 'one' }, 'once')).toBe(first)
    const second = await redact(alice, roomId, eventId, { reason: 'two' })
    expect(second).not.toBe(first)
    const event = await bob.get(`/rooms/${roomId}/event/${eventId}`)
    expect(event.unsigned.redacted_because.event_id).toBe(first)
    await redact(bob, roomId, first)
    const metaRedacted = await bob.get(`/rooms/${roomId}/event/${first}`)
    expect(metaRedacted.content.reason).toBeUndefined()
    expect(metaRedacted.redacts).toBe(eventId)
  })

  test('unknown events, those of other rooms, the creation and the access list are not redacted', async () => {
    const roomId = await start()
    const elsewhere = await alice.send(await alice.createRoom(), 'elsewhere')
    const acl = await alice.setState(roomId, 'm.room.server_acl', { allow: ['*'] })
    const state = await alice.get(`/rooms/${roomId}/state`)
    const create = state.find((event: { type: string }) => event.type === 'm.room.create').event_id
    const tried = (eventId: string) => alice.refusal('PUT', `/rooms/${roomId}/redact/${eventId}/t`, {})
    expect(await tried('$nothing')).toBe('404 M_NOT_FOUND')
    expect(await tried(elsewhere)).toBe('400 M_INVALID_PARAM')
    expect(await tried(create)).toBe('403 M_FORBIDDEN')
    expect(await tried(acl)).toBe('403 M_FORBIDDEN')
    expect(await tried('nothing')).toBe('400 M_INVALID_PARAM')
    const carol = await newSession()
    expect(await carol.refusal('PUT', `/rooms/${roomId}/redact/${elsewhere}/t`, {})).toBe('403 M_FORBIDDEN')
  })

  test.each(['1', '10', '11', '12'])('a redaction travels by /send in version %s', async (version) => {
    const roomId = await start({ room_version: version })
    const eventId = await bob.send(roomId, 'x')
    expect(await bob.refusal('PUT', `/rooms/${roomId}/send/m.room.redaction/bad`, {})).toBe('400 M_BAD_JSON')
    const hers = await alice.send(roomId, 'hers')
    const path = `/rooms/${roomId}/send/m.room.redaction/hers`
    expect(await bob.refusal('PUT', path, { redacts: hers })).toBe('403 M_FORBIDDEN')
    const by = await bob.send(roomId, { redacts: eventId, reason: 'y' }, 'm.room.redaction')
    const event = await bob.get(`/rooms/${roomId}/event/${eventId}`)
    expect(event.content).toEqual({})
    expect(event.unsigned.redacted_because).toMatchObject({ event_id: by, redacts: eventId })
    const redactions = sql`SELECT content, envelope FROM events WHERE event_id = ${by}`
    const rows = await server.app.db.read<{ content: string; envelope: string }>(redactions)
    const inContent = Number(version) >= 11
    expect(JSON.parse(rows[0]!.content).redacts).toBe(inContent ? eventId : undefined)
    expect(JSON.parse(rows[0]!.envelope).redacts).toBe(inContent ? undefined : eventId)
  })

  test('redacted state rules no more than what is left of it', async () => {
    const roomId = await start({ room_version: '10', name: 'Secret' })
    const state = await alice.get(`/rooms/${roomId}/state`)
    const levels = state.find((event: { type: string }) => event.type === 'm.room.power_levels').content
    // Room version 10 does not keep the level for invites.
    const strict = await alice.setState(roomId, 'm.room.power_levels', { ...levels, invite: 50 })
    const invite = { user_id: (await newSession()).userId }
    expect(await bob.refusal('POST', `/rooms/${roomId}/invite`, invite)).toBe('403 M_FORBIDDEN')
    await redact(alice, roomId, strict)
    await bob.post(`/rooms/${roomId}/invite`, invite)

    const named = await bob.setState(roomId, 'm.room.member', { membership: 'join', displayname: 'Rude' }, bob.userId)
    await redact(alice, roomId, named)
    expect((await alice.get(`/rooms/${roomId}/joined_members`)).joined[bob.userId]).toEqual({})
    const name = state.find((event: { type: string }) => event.type === 'm.room.name').event_id
    await redact(alice, roomId, name)
    expect(await alice.get(`/rooms/${roomId}/state/m.room.name`)).toEqual({})
    expect(await server.app.db.read(sql`SELECT name FROM rooms WHERE room_id = ${roomId}`)).toEqual([{ name: null }])
    await bob.send(roomId, 'still here')
  })
})
