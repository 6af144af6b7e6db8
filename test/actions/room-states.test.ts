import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { append } from '../../src/actions/append.ts'
import { createRoom } from '../../src/actions/rooms/create-room.ts'
import { reachedEvents, resolveStates, stateAfter } from '../../src/actions/rooms/room-states.ts'
import type { EventId, UserId } from '../../src/core/ids.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { type StateMap, stateMapKey } from '../../src/core/state/map.ts'
import { pdusById } from '../../src/store/pdus.ts'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'

const MEMBERS = 400

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

  test('a large conflict is resolved beside the loop, like a small one on it', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'large.db')}`
    server = await startTestServer({}, uri)
    const { app } = server
    const creator = `@creator:${app.serverName}` as UserId
    const roomId = await createRoom(app, { creator, preset: 'public_chat', roomVersion: '10' })
    // All members are named twice: one state has the first names, one the last.
    const states: StateMap[] = []
    for (const name of ['First', 'Last']) {
      const [newest] = (
        await append(app, roomId, async (writer) => {
          for (let index = 0; index < MEMBERS; index++) {
            const sender = `@member${index}:${app.serverName}` as UserId
            const content = { displayname: `${name} ${index}`, membership: 'join' }
            await writer.add({ type: 'm.room.member', stateKey: sender, sender, content })
          }
        })
      ).slice(-1)
      const [row] = await pdusById(app.db, [newest!.eventId])
      states.push(await stateAfter(app, row!))
    }
    const version = roomVersion('10')!
    const beside = await watched(() => resolveStates(app, version, states))
    await app.stateResolver.close()
    const here = await watched(() => resolveStates(app, version, states))
    expect([...beside.state].sort()).toEqual([...here.state].sort())
    expect(beside.state.get(stateMapKey('m.room.member', `@member0:${app.serverName}`))).toBe(
      states[1]!.get(stateMapKey('m.room.member', `@member0:${app.serverName}`)),
    )
    expect(here.turns).toBeLessThan(beside.turns)
    if (engine === 'sqlite') expect(beside.longestMs).toBeLessThan(here.longestMs / 2)
  })

  // biome-ignore lint/suspicious/noExplicitAny: replies are looked into where the test expects them
  async function call(method: 'GET' | 'POST' | 'PUT', path: string, token: string, body?: object): Promise<any> {
    const reply = await server!.call(method, `${V3}${path}`, body === undefined ? { token } : { token, body })
    expect([path, reply.status]).toEqual([path, 200])
    return reply.body
  }
})

/** The turns of the loop meanwhile, and the processor's time of the longest. */
async function watched(work: () => Promise<StateMap>) {
  let [turns, longestMs, last, watching] = [0, 0, threadCpuMs(), true]
  const watch = () => {
    const now = threadCpuMs()
    longestMs = Math.max(longestMs, now - last)
    last = now
    turns++
    if (watching) setImmediate(watch)
  }
  setImmediate(watch)
  const state = await work()
  await new Promise(setImmediate)
  watching = false
  return { state, turns, longestMs }
}

/** Of this thread alone, however busy the machine is: Linux tells, elsewhere it is the time on the wall. */
function threadCpuMs(): number {
  const path = '/proc/thread-self/schedstat'
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split(' ')[0]) / 1_000_000 : performance.now()
}
