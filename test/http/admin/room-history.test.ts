import { expect, test } from 'vitest'
import { eachServer } from '../../helpers/each-server.ts'
import { enter, enterAsAdmin, type Json } from '../../helpers/session.ts'

const V1 = '/_synapse/admin/v1'

eachServer({}, (server) => {
  test('administrators read what was said in a room that they are not in', async () => {
    const [root, ann] = [await enterAsAdmin(server, 'root'), await enter(server, 'ann')]
    const room = await ann.createRoom({ preset: 'private_chat' })
    const sent: string[] = []
    for (const body of ['one', 'two', 'three']) sent.push(await ann.send(room, body))
    const path = `${V1}/rooms/${encodeURIComponent(room)}`
    const filter = encodeURIComponent(JSON.stringify({ types: ['m.room.message'] }))
    const page = await root.get(`${path}/messages?dir=b&limit=2&filter=${filter}`)
    expect(page.chunk.map((event: Json) => event.content.body)).toEqual(['three', 'two'])
    const rest = await root.get(`${path}/messages?dir=b&from=${page.end}&filter=${filter}`)
    expect(rest.chunk.map((event: Json) => event.content.body)).toEqual(['one'])
    expect((await root.get(`${path}/messages`)).chunk[0].type).toBe('m.room.create')
    expect(await root.refusal('GET', `/rooms/${encodeURIComponent(room)}/messages?dir=b`)).toBe('403 M_FORBIDDEN')

    const { event } = await root.get(`${V1}/fetch_event/${encodeURIComponent(sent[1]!)}`)
    expect(event).toMatchObject({ event_id: sent[1], room_id: room, content: { body: 'two' } })
    expect(await root.refusal('GET', `${V1}/fetch_event/$none`)).toBe('404 M_NOT_FOUND')
    const near = await root.get(`${path}/timestamp_to_event?ts=${event.origin_server_ts + 1_000_000}&dir=b`)
    expect(near.event_id).toBe(sent[2])
    expect(await root.refusal('GET', `${path}/timestamp_to_event?ts=1&dir=b`)).toBe('404 M_NOT_FOUND')
    expect(await root.get(`${path}/forward_extremities`)).toMatchObject({ count: 1, results: [{ event_id: sent[2] }] })
    expect(await root.refusal('GET', `${V1}/rooms/!none:test.example/messages`)).toBe('404 M_NOT_FOUND')
  })
})
