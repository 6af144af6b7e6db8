import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { inRoom, type Json, sessionOf } from '../helpers/session.ts'

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  /** On PostgreSQL alice talks to one process and bob to another; SQLite has one for both. */
  test('who types at one process is shown at the others', async () => {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    for (let n = 0; n < (engine === 'postgres' ? 2 : 1); n++) running.push(await startTestServer({}, uri))
    const [here, there] = [running[0]!, running.at(-1)!]
    const alice = sessionOf(here, await here.register('alice'))
    const bob = sessionOf(there, await here.register('bob'))
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(room)
    const typists = (answer: Json) =>
      answer.rooms?.join?.[room]?.ephemeral?.events.find((event: Json) => event.type === 'm.typing')?.content.user_ids
    const path = `${inRoom(room)}/typing/${encodeURIComponent(alice.userId)}`
    let answer = await bob.sync()
    const next = async () => {
      do answer = await bob.sync(answer, { timeout: 30_000 })
      while (typists(answer) === undefined)
      return typists(answer)
    }
    let shown = next()
    await alice.put(path, { typing: true, timeout: 60_000 })
    expect(await shown).toEqual([alice.userId])
    shown = next()
    await alice.put(path, { typing: false })
    expect(await shown).toEqual([])
  })
})
