import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { type Json, type Session, sessionOf } from '../helpers/session.ts'

eachServer({}, (server) => {
  let people = 0
  const person = async (): Promise<Session> => sessionOf(server, await server.register(`person${people++}`))

  async function secondDevice(of: Session): Promise<Session> {
    const body = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: of.userId },
      password: 'correct horse battery',
    }
    const reply = await server.call('POST', '/_matrix/client/v3/login', { body })
    return sessionOf(server, {
      userId: of.userId,
      token: String(reply.body.access_token),
      deviceId: String(reply.body.device_id),
    })
  }

  const send = (from: Session, txnId: string, messages: object, type = 'com.example.note') =>
    from.put(`/sendToDevice/${type}/${txnId}`, { messages })

  test('a message wakes the device it is for, and stays until the device comes back with the token', async () => {
    const [alice, bob] = [await person(), await person()]
    const bobsOther = await secondDevice(bob)
    const [since, otherSince] = [await bob.sync(), await bobsOther.sync()]
    const poll = bob.sync(since, { timeout: 30_000 })
    await send(alice, '1', { [bob.userId]: { [bob.deviceId]: { hello: 'bob' }, NOBODY: {} }, '@none:test.example': {} })
    const got = await poll
    const message = { sender: alice.userId, type: 'com.example.note', content: { hello: 'bob' } }
    expect(got.to_device).toEqual({ events: [message] })
    expect((await bobsOther.sync(otherSince)).to_device).toBeUndefined()
    // The answer may have been lost on its way.
    expect((await bob.sync(since)).to_device.events).toEqual([message])
    expect((await bob.sync()).to_device.events).toEqual([message])
    const next = await bob.sync(got)
    expect([next.to_device, (await bob.sync(next)).to_device]).toEqual([undefined, undefined])
    expect((await bob.sync(since)).to_device).toBeUndefined()
    expect((await bob.sync()).to_device).toBeUndefined()
  })

  test('a transaction is sent once, however often it is repeated', async () => {
    const [alice, bob] = [await person(), await person()]
    const messages = { [bob.userId]: { '*': { n: 1 } } }
    await Promise.all(Array.from({ length: 8 }, () => send(alice, 'same', messages)))
    await send(alice, 'same', messages)
    expect((await bob.sync()).to_device.events).toHaveLength(1)
    await send(alice, 'same', messages, 'com.example.other')
    expect((await bob.sync()).to_device.events).toHaveLength(2)
  })

  test('every device of a user is meant by *, and none that has gone', async () => {
    const [alice, bob] = [await person(), await person()]
    const bobsOther = await secondDevice(bob)
    await send(alice, 'all', { [bob.userId]: { '*': { n: 1 }, [bob.deviceId]: { n: 2 } } })
    const contents = async (device: Session) =>
      (await device.sync()).to_device?.events.map((event: Json) => event.content)
    expect([await contents(bob), await contents(bobsOther)]).toEqual([[{ n: 2 }], [{ n: 1 }]])
    await bobsOther.post('/logout')
    await send(alice, 'again', { [bob.userId]: { '*': { n: 3 } } })
    expect(await contents(bob)).toEqual([{ n: 2 }, { n: 3 }])
  })

  test('many messages come a hundred at a time, in order, none lost and none twice', async () => {
    const [alice, bob] = [await person(), await person()]
    const start = await bob.sync()
    for (let n = 0; n < 230; n++) await send(alice, `n${n}`, { [bob.userId]: { '*': { n } } })
    const numbers: number[] = []
    let since = start
    for (let round = 0; round < 5; round++) {
      since = await bob.sync(since)
      const got = since.to_device?.events ?? []
      expect(got.length).toBeLessThanOrEqual(100)
      numbers.push(...got.map((event: Json) => event.content.n))
    }
    expect(numbers).toEqual(Array.from({ length: 230 }, (_, n) => n))
  }, 60_000)

  test('what is no message, or too much of it, is refused', async () => {
    const [alice, bob] = [await person(), await person()]
    const errcode = async (messages: unknown, txnId = 'bad') =>
      (await alice.call('PUT', `/sendToDevice/com.example.note/${txnId}`, { messages })).body.errcode
    expect(await errcode({ [bob.userId]: { '*': { body: 'x'.repeat(70_000) } } })).toBe('M_TOO_LARGE')
    expect(await errcode({ [bob.userId]: { '*': 'text' } })).toBe('M_BAD_JSON')
    expect(await errcode({ [bob.userId]: ['*'] })).toBe('M_BAD_JSON')
    expect(await errcode([])).toBe('M_BAD_JSON')
    expect(await errcode({}, 'x'.repeat(300))).toBe('M_INVALID_PARAM')
    const proto = JSON.parse('{"__proto__":{"*":{}},"constructor":{"*":{}}}')
    expect(await errcode(proto)).toBeUndefined()
    expect((await bob.sync()).to_device).toBeUndefined()
  })
})
