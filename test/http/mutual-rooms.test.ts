import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, inRoom } from '../helpers/session.ts'

const PATH = '/_matrix/client/v1/mutual_rooms'

eachServer({}, (server) => {
  test('the rooms that both are in, page by page', async () => {
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    const rooms: string[] = []
    for (let n = 0; n < 53; n++) rooms.push(await alice.createRoom({ preset: 'public_chat' }))
    for (const roomId of rooms.slice(1)) await bob.join(roomId)
    await bob.post(`${inRoom(rooms[1]!)}/leave`)
    await alice.post(`${inRoom(rooms[0]!)}/invite`, { user_id: bob.userId })
    const path = `${PATH}?user_id=${encodeURIComponent(bob.userId)}`
    const first = await alice.get(path)
    expect([first.count, first.joined.length]).toEqual([51, 50])
    const second = await alice.get(`${path}&from=${first.next_batch}`)
    expect([...first.joined, ...second.joined].sort()).toEqual(rooms.slice(2).sort())
    expect(second.next_batch).toBeUndefined()
  })

  test('nobody shares rooms with who does not exist, and who is asked for has to be somebody else', async () => {
    const carol = await enter(server, 'carol')
    expect(await carol.get(`${PATH}?user_id=@nobody:elsewhere.example`)).toEqual({ joined: [], count: 0 })
    const asked = (query: string) => carol.refusal('GET', `${PATH}${query}`)
    expect(await asked('')).toBe('400 M_MISSING_PARAM')
    expect(await asked('?user_id=bob')).toBe('400 M_INVALID_PARAM')
    expect(await asked(`?user_id=${encodeURIComponent(carol.userId)}`)).toBe('400 M_INVALID_PARAM')
    expect(await asked('?user_id=@a:b.example&from=yesterday')).toBe('400 M_INVALID_PARAM')
  })
})
