import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { reachedEvents } from '../../src/actions/room-states.ts'
import type { EventId } from '../../src/core/ids.ts'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'

eachEngine((engine, fresh) => {
  let server: TestServer | undefined
  afterEach(() => server?.stop())

  test('events are reached over what others name as their authority', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'reached.db')}`
    server = await startTestServer({}, uri)
    const { app } = server
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const made = await call('POST', '/createRoom', alice.token, { preset: 'public_chat', room_version: '10' })
    const path = `/rooms/${encodeURIComponent(made.room_id)}`
    const levels = await call('GET', `${path}/state/m.room.power_levels`, alice.token)
    const change = async (ban: number): Promise<EventId> =>
      (await call('PUT', `${path}/state/m.room.power_levels`, alice.token, { ...levels, ban })).event_id
    // create -- levels -- second -- third, and Bob joins between the last two.
    const second = await change(60)
    await call('POST', `${path}/join`, bob.token, {})
    const third = await change(70)
    const { chunk } = await call('GET', `${path}/messages?dir=f&limit=100`, alice.token)
    const idOf = (type: string, key: string): EventId =>
      chunk.find((event: Record<string, unknown>) => event.type === type && event.state_key === key).event_id
    const bobsJoin = idOf('m.room.member', bob.userId)
    const create = idOf('m.room.create', '')
    const reached = async (ids: readonly EventId[], from: readonly EventId[], ownCounts: boolean) =>
      [...(await reachedEvents(app, { ids, from, ownCounts })).keys()].sort()

    expect(await reached([second, third, create], [bobsJoin], true)).toEqual([second, create].sort())
    expect(await reached([second, third], [third], true)).toEqual([second, third].sort())
    expect(await reached([second, third], [third], false)).toEqual([second])
    // What one of the starts names is reached although it is a start itself.
    expect(await reached([second, third], [second, third], false)).toEqual([second])
    expect(await reached([bobsJoin], [third], true)).toEqual([])
    const unknown = '$unknown' as EventId
    const thousands = Array.from({ length: 2_500 }, (_, index) => `$unknown${index}` as EventId)
    expect(await reached([second, unknown], [...thousands, bobsJoin], true)).toEqual([second])
    expect(await reached([unknown], [unknown], true)).toEqual([])
  })

  // biome-ignore lint/suspicious/noExplicitAny: replies are looked into where the test expects them
  async function call(method: 'GET' | 'POST' | 'PUT', path: string, token: string, body?: object): Promise<any> {
    const reply = await server!.call(method, `${V3}${path}`, body === undefined ? { token } : { token, body })
    expect([path, reply.status]).toEqual([path, 200])
    return reply.body
  }
})
