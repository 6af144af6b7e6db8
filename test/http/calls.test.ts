import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { startTestServer } from '../helpers/server.ts'
import { enter } from '../helpers/session.ts'

const URIS = ['turn:turn.test.example:3478?transport=udp', 'turns:turn.test.example:443?transport=tcp']

test('the relay recognises the credentials by the secret that it shares with the server', async () => {
  const turn = { turn_uris: URIS, turn_shared_secret: 'between us', turn_user_lifetime: '1h' }
  const server = await startTestServer({ turn })
  const alice = await enter(server, 'alice')
  const { username, password, uris, ttl } = await alice.get('/voip/turnServer')
  expect([uris, ttl]).toEqual([URIS, 3_600])
  const [end, userId] = [username.slice(0, username.indexOf(':')), username.slice(username.indexOf(':') + 1)]
  expect(userId).toBe(alice.userId)
  expect(Math.abs(Number(end) - (Date.now() / 1_000 + ttl))).toBeLessThan(60)
  expect(password).toBe(createHmac('sha1', 'between us').update(username).digest('base64'))
  await server.stop()
})

test('a fixed name stands in for the secret; without either, or without a relay, there are none', async () => {
  const fixed = { turn_uris: URIS, turn_username: 'everybody', turn_password: 'knows' }
  const server = await startTestServer({ turn: fixed })
  const alice = await enter(server, 'alice')
  expect(await alice.get('/voip/turnServer')).toEqual({
    username: 'everybody',
    password: 'knows',
    uris: URIS,
    ttl: 300,
  })
  await server.stop()
  for (const turn of [{ turn_uris: URIS }, { turn_shared_secret: 'alone' }]) {
    const bare = await startTestServer({ turn })
    expect(await (await enter(bare, 'alice')).refusal('GET', '/voip/turnServer')).toBe('404 M_NOT_FOUND')
    await bare.stop()
  }
})
