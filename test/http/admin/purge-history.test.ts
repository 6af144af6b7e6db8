import { expect, test, vi } from 'vitest'
import { purgeHistory } from '../../../src/actions/rooms/purge-history.ts'
import { sql } from '../../../src/db/sql.ts'
import { purgeHistoryTask } from '../../../src/tasks/purge-history.ts'
import { eachServer } from '../../helpers/each-server.ts'
import { enter, enterAsAdmin, inRoom, type Json, type Session } from '../../helpers/session.ts'

const V1 = '/_synapse/admin/v1'
const AFTER = { topo: Number.MIN_SAFE_INTEGER, event: 0 }

const shown = async (user: Session, roomId: string): Promise<string[]> => {
  const { chunk } = await user.get(`${inRoom(roomId)}/messages?dir=f&limit=100`)
  return chunk.map(({ content }: Json) => content.body).filter((body: unknown) => body !== undefined)
}

eachServer({}, (server) => {
  let people = 0

  async function talk(count: number) {
    const n = people++
    const [root, ann] = [await enterAsAdmin(server, `root${n}`), await enter(server, `ann${n}`)]
    const room = await ann.createRoom({ name: 'Stays' })
    const ids: string[] = []
    for (let k = 0; k < count; k++) ids.push(await ann.send(room, `m${k}`))
    const path = `${V1}/purge_history/${encodeURIComponent(room)}`
    const wait = (id: string) =>
      vi.waitFor(
        async () => expect(await root.get(`${V1}/purge_history_status/${id}`)).toEqual({ status: 'complete' }),
        {
          timeout: 10_000,
        },
      )
    const [row] = await server.app.db.read<{ room: number }>(sql`SELECT room FROM rooms WHERE room_id = ${room}`)
    return { root, ann, room, ids, path, wait, number: row!.room }
  }

  test('what was said before an event goes: of users of this server only where that is asked for', async () => {
    const { root, ann, room, ids, path, wait } = await talk(4)
    const spared = (await root.post(`${path}/${encodeURIComponent(ids[2]!)}`)).purge_id
    await wait(spared)
    expect(await shown(ann, room)).toEqual(['m0', 'm1', 'm2', 'm3'])
    await wait((await root.post(`${path}/${encodeURIComponent(ids[2]!)}`, { delete_local_events: true })).purge_id)
    expect(await shown(ann, room)).toEqual(['m2', 'm3'])
    expect(await ann.refusal('GET', `${inRoom(room)}/event/${ids[0]}`)).toBe('404 M_NOT_FOUND')
    const kept = await server.app.db.read(sql`SELECT event FROM events WHERE event_id IN (${ids[0]!}, ${ids[1]!})
      AND (content <> '{}' OR relates_to IS NOT NULL)`)
    expect(kept).toEqual([])
    expect(await ann.state(room, 'm.room.name')).toEqual({ name: 'Stays' })
    // The end of the room stays whatever is asked for, and the room goes on.
    const body = { delete_local_events: true, purge_up_to_ts: server.app.clock.now() + 1_000 }
    await ann.send(room, 'm4')
    await wait((await root.post(path, body)).purge_id)
    expect(await shown(ann, room)).toEqual(['m4'])
    await wait((await root.post(path, { delete_local_events: true, purge_up_to_event_id: ids[3] })).purge_id)
    await ann.send(room, 'm5')
    expect(await shown(ann, room)).toEqual(['m4', 'm5'])
  })

  test('a purge that was cut off goes on, and what it has done before stands', async () => {
    const { ann, room, ids, number } = await talk(9)
    const [last] = await server.app.db.read<{ topo: number }>(sql`SELECT topo FROM events WHERE event_id = ${ids[8]!}`)
    const purge = { room: number, after: AFTER, before: { topo: last!.topo, event: 0 }, localToo: true, done: false }
    let commits = 0
    const dying = {
      ...server.app,
      db: {
        ...server.app.db,
        commit: (batch: Parameters<typeof server.app.db.commit>[0]) =>
          ++commits === 2 ? Promise.reject(new Error('killed')) : server.app.db.commit(batch),
      },
    }
    const steps = async (app: typeof server.app) => {
      for (let at = purge; ; ) {
        const after = await purgeHistory(app, at, 3)
        if (after === undefined) return
        at = { ...at, after }
      }
    }
    await expect(steps(dying)).rejects.toThrow('killed')
    const half = await shown(ann, room)
    expect(half.length).toBeLessThan(9)
    expect(half.length).toBeGreaterThan(4)
    const task = { id: 'x', payload: purge, failures: 0, signal: new AbortController().signal }
    const again = await purgeHistoryTask.run(server.app, task)
    expect(again).toMatchObject({ afterMs: 24 * 3_600_000, payload: { done: true } })
    expect(await shown(ann, room)).toEqual(['m8'])
    expect(await purgeHistoryTask.run(server.app, { ...task, payload: again!.payload! })).toBe(undefined)
  })

  test('what is not there is refused, and nobody else may', async () => {
    const { root, ann, room, path } = await talk(1)
    const elsewhere = await ann.send(await ann.createRoom(), 'elsewhere')
    expect(await root.refusal('POST', path, {})).toBe('400 M_BAD_JSON')
    expect(await root.refusal('POST', path, { purge_up_to_ts: 1 })).toBe('404 M_NOT_FOUND')
    expect(await root.refusal('POST', path, { purge_up_to_ts: 'now' })).toBe('400 M_BAD_JSON')
    expect(await root.refusal('POST', `${path}/$none`, {})).toBe('404 M_NOT_FOUND')
    expect(await root.refusal('POST', `${path}/${elsewhere}`, {})).toBe('400 M_INVALID_PARAM')
    expect(await root.refusal('POST', `${V1}/purge_history/!none:x`, { purge_up_to_ts: 1 })).toBe('404 M_NOT_FOUND')
    expect(await root.refusal('GET', `${V1}/purge_history_status/none`)).toBe('404 M_NOT_FOUND')
    expect(await ann.refusal('POST', path, { purge_up_to_ts: 1 })).toBe('403 M_FORBIDDEN')
    expect(await shown(ann, room)).toEqual(['m0'])
  })
})
