import { afterEach, expect, test } from 'vitest'
import { write } from '../../src/actions/write.ts'
import { generateSigningKey, writeKeyPem } from '../../src/core/keys.ts'
import { systemRandom } from '../../src/live/time.ts'
import { insertThreepid } from '../../src/store/threepids.ts'
import { freshPostgres } from '../helpers/databases.ts'
import { startMailServer } from '../helpers/mail-server.ts'
import { startTestServer } from '../helpers/server.ts'
import { enter } from '../helpers/session.ts'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

test('of two processes on one database one sends what is unread, and the other goes on when it stops', async () => {
  const mail = await startMailServer()
  undo.push(() => mail.stop())
  const { options } = await freshPostgres(undo)
  const keyPem = writeKeyPem(generateSigningKey(systemRandom.bytes))
  const start = async () => {
    const email = { ...mail.config, notify_after: '200ms' }
    const server = await startTestServer({ email }, options.connectionString, { keyPem })
    undo.push(() => server.stop())
    return server
  }
  const [first, second] = [await start(), await start()]
  const [reader, writer] = [await enter(first, 'reader'), await enter(second, 'writer')]
  const address = 'reader@mail.example'
  const threepid = insertThreepid({ medium: 'email', address }, reader.userId, 1, 1)
  await write(first.app, { guards: [], writes: [threepid], log: [] })
  const names = { app_display_name: 'Mail', device_display_name: 'Mail', lang: 'en' }
  const pusher = { ...names, kind: 'email', app_id: 'm.email', pushkey: address, data: {} }
  await reader.post('/pushers/set', pusher)

  const tell = async (room: string) => {
    const roomId = await writer.createRoom({ preset: 'public_chat', name: room })
    await reader.join(roomId)
    await writer.send(roomId, `from ${room}`)
    return (await mail.next()).subject
  }
  expect(await tell('Tea')).toBe('1 unread notification from Tea')
  expect(await tell('Cake')).toBe('1 unread notification from Cake')
  await first.followers.stop()
  expect(await tell('Bread')).toBe('1 unread notification from Bread')
  expect(mail.received).toHaveLength(3)
}, 120_000)
