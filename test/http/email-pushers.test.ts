import { afterAll, afterEach, expect, test } from 'vitest'
import { moderateAccount } from '../../src/actions/accounts/moderate-account.ts'
import { removePusher } from '../../src/actions/accounts/set-pusher.ts'
import { write } from '../../src/actions/write.ts'
import type { App } from '../../src/app.ts'
import type { UserId } from '../../src/core/ids.ts'
import type { Guard } from '../../src/db/database.ts'
import { sql } from '../../src/db/sql.ts'
import type { Follower } from '../../src/followers/follower.ts'
import { startPush } from '../../src/followers/push.ts'
import { AddressRefused, type Mail, MailNotSent, MailPutOff } from '../../src/remote/mailer.ts'
import type { PusherName } from '../../src/store/pushers.ts'
import { insertThreepid } from '../../src/store/threepids.ts'
import { eachServer } from '../helpers/each-server.ts'
import { type HandTime, handTime } from '../helpers/hand-time.ts'
import { startMailServer } from '../helpers/mail-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'
import { enter, inRoom, type Json, logIn, type Session } from '../helpers/session.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const mail = await startMailServer()
afterAll(() => mail.stop())

function pusher(pushkey: string, more: object = {}) {
  return {
    kind: 'email',
    app_id: 'm.email',
    pushkey,
    app_display_name: 'Email Notifications',
    device_display_name: pushkey,
    lang: 'en',
    data: { brand: 'Tea' },
    ...more,
  }
}

let users = 0

eachServer({ email: mail.config }, (server) => {
  const named: PusherName[] = []
  afterEach(async () => {
    for (const pusher of named.splice(0)) await removePusher(server.app, pusher)
  })

  /** A user with an address, and another one. */
  async function two(): Promise<{ reader: Session; writer: Session; address: string }> {
    const n = users++
    const [reader, writer] = [await enter(server, `reader${n}`), await enter(server, `writer${n}`)]
    const address = `reader${n}@mail.example`
    const threepid = { medium: 'email', address }
    const added = insertThreepid(threepid, reader.userId, server.app.clock.now(), server.app.clock.now())
    await write(server.app, { guards: [], writes: [added], log: [] })
    named.push({ user_id: reader.userId as UserId, app_id: 'm.email', pushkey: address })
    return { reader, writer, address }
  }

  async function sharedRoom(writer: Session, reader: Session, name: string): Promise<string> {
    const roomId = await writer.createRoom({ preset: 'public_chat', name })
    await reader.join(roomId)
    return roomId
  }

  interface Followed {
    readonly time: HandTime
    /** Lets time pass and everything happen that is due then. */
    pass(ms: number): Promise<void>
    /** The follower of a new process. */
    again(): Promise<void>
  }

  /** The server with a follower of its own, whose time passes when the test says so. */
  async function followed(
    run: (followed: Followed) => Promise<void>,
    send?: (mail: Mail) => Promise<void>,
    guards: () => readonly Guard[] = () => [],
  ) {
    const time = handTime(Date.now())
    const remote = send === undefined ? server.app.remote : { ...server.app.remote, mailer: { send } }
    const app: App = { ...server.app, remote, clock: time.clock, timers: time.timers }
    const start = () => startPush(app, { guards })
    let follower: Follower = await start()
    const pass = async (ms: number) => {
      await follower.idle()
      time.pass(ms)
      await follower.idle()
    }
    const again = async () => {
      await follower.stop()
      follower = await start()
    }
    try {
      await run({ time, pass, again })
    } finally {
      await follower.stop()
    }
  }

  /** The mails so far, as those of the test: others' are not its own. */
  const mailsTo = (address: string) => mail.received.filter(({ to }) => to === address)

  test('a pusher leads to an address of the account alone, in any spelling of it', async () => {
    const { reader, writer, address } = await two()
    const refused = (body: object) => reader.refused('POST', '/pushers/set', body)
    expect(await refused(pusher('somebody@mail.example'))).toBe('400 M_INVALID_PARAM')
    expect(await refused(pusher(address, { app_id: 'org.example.app' }))).toBe('400 M_INVALID_PARAM')
    expect(await refused(pusher(address, { data: undefined }))).toBe('400 M_MISSING_PARAM')
    expect(await writer.refused('POST', '/pushers/set', pusher(address))).toBe('400 M_INVALID_PARAM')
    await reader.post('/pushers/set', pusher(address.toUpperCase()))
    const [{ device_display_name: _, ...stored }] = (await reader.get('/pushers')).pushers
    expect(stored).toMatchObject({ kind: 'email', app_id: 'm.email', pushkey: address, data: { brand: 'Tea' } })
    await reader.post('/pushers/set', { kind: null, app_id: 'm.email', pushkey: address.toUpperCase() })
    expect(await reader.get('/pushers')).toEqual({ pushers: [] })
  })

  test('it outlives the session, and goes with the address or the account', async () => {
    const { reader, address } = await two()
    const phone = await logIn(server, reader.userId)
    await phone.post('/pushers/set', pusher(address))
    await phone.post('/logout')
    expect((await reader.get('/pushers')).pushers).toHaveLength(1)
    await reader.post('/account/3pid/delete', { medium: 'email', address })
    expect(await reader.get('/pushers')).toEqual({ pushers: [] })

    const other = await two()
    await other.reader.post('/pushers/set', pusher(other.address))
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: other.reader.userId } }
    await followed(async ({ pass }) => {
      const roomId = await sharedRoom(other.writer, other.reader, 'Tea')
      await other.writer.send(roomId, 'anybody?')
      await other.reader.post('/account/deactivate', { auth: { ...auth, password: TEST_PASSWORD } })
      await pass(30 * MINUTE)
    })
    expect(mailsTo(other.address)).toEqual([])
  })

  test('who is locked out gets no mail', async () => {
    const { reader, writer, address } = await two()
    await reader.post('/pushers/set', pusher(address))
    await followed(async ({ pass }) => {
      const roomId = await sharedRoom(writer, reader, 'Tea')
      await writer.send(roomId, 'anybody?')
      await pass(MINUTE)
      await moderateAccount(server.app, reader.userId, 'locked', true)
      await pass(30 * MINUTE)
      expect(mailsTo(address)).toEqual([])
      await moderateAccount(server.app, reader.userId, 'locked', false)
      await pass(MINUTE)
      await pass(30 * MINUTE)
    })
    expect(mailsTo(address)).toHaveLength(1)
  })

  test('what stays unread comes in one mail, by room, with texts that are no markup; read things do not', async () => {
    const { reader, writer, address } = await two()
    await writer.put(`/profile/${writer.userId}/displayname`, { displayname: '<b>Wilma</b>\u202e\nTo: x' })
    const [tea, cake, read] = [
      await sharedRoom(writer, reader, 'Tea & <biscuits>'),
      await sharedRoom(writer, reader, 'Cake'),
      await sharedRoom(writer, reader, 'Read'),
    ]
    await reader.post('/pushers/set', pusher(address))
    await followed(async ({ pass }) => {
      for (let n = 0; n < 7; n++) await writer.send(tea, `message ${n} <script>\n\nhttps://evil.example`)
      await writer.send(cake, { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'c2VjcmV0' }, 'm.room.encrypted')
      const reply = { 'm.relates_to': { 'm.in_reply_to': { event_id: '$a' } } }
      await writer.send(cake, { msgtype: 'm.text', body: '> <@a:b> question\n> more\n\nanswer', ...reply })
      await writer.send(cake, { msgtype: 'm.image', body: `${'long '.repeat(100)}.png`, url: 'mxc://a/b' })
      const seen = await writer.send(read, 'seen')
      const taken = await writer.send(tea, 'taken back')
      await writer.put(`${inRoom(tea)}/redact/${taken}/txn`, {})
      await writer.createRoom({ name: 'Come in', invite: [reader.userId] })
      await pass(9 * MINUTE)
      await reader.post(`${inRoom(read)}/receipt/m.read/${seen}`)
      expect(mailsTo(address)).toEqual([])
      await pass(MINUTE)
    })
    const [{ text, subject }, ...more] = mailsTo(address) as [Json, ...Json[]]
    expect(more).toEqual([])
    expect(subject).toBe('11 unread notifications in 3 rooms')
    expect(text).toContain(`${'<b>Wilma</b> To: x'}: message 6 <script> https://evil.example\r\n`)
    expect(text).toContain('(2 earlier)')
    expect(text).not.toContain('message 1 ')
    expect(text).toContain('Wilma</b> To: x: encrypted message\r\n')
    expect(text).not.toContain('c2VjcmV0')
    expect(text).toContain('Wilma</b> To: x: answer\r\n')
    expect(text).toMatch(/To: x: picture: (long ){30,40}lo?n?g?\S{1,3}\r\n/)
    expect(text).toContain('Wilma</b> To: x: invites you\r\n')
    expect(text).toContain(`https://matrix.to/#/${encodeURIComponent(tea)}/`)
    expect(text).not.toMatch(/seen|taken back/)
    const html = text.slice(text.indexOf('<!DOCTYPE'))
    expect(html).toContain('Tea &amp; &lt;biscuits&gt;</h2>')
    expect(html).toContain('&lt;b&gt;Wilma&lt;/b&gt; To: x</strong>: message 6 &lt;script&gt; https://evil.example</p>')
    expect(html).not.toContain('<script')
    expect(text).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click')
  })

  test('a room is told of later and later, until it is read; other rooms are not held up', async () => {
    const { reader, writer, address } = await two()
    const [tea, cake] = [await sharedRoom(writer, reader, 'Tea'), await sharedRoom(writer, reader, 'Cake')]
    await reader.post('/pushers/set', pusher(address))
    const count = () => mailsTo(address).length
    await followed(async ({ pass, again }) => {
      await writer.send(tea, '1')
      await pass(10 * MINUTE)
      expect(count()).toBe(1)
      await writer.send(tea, '2')
      await pass(59 * MINUTE)
      expect(count()).toBe(1)
      // Also when the server starts anew meanwhile.
      await again()
      await pass(10 * MINUTE)
      expect(count()).toBe(2)
      await writer.send(tea, '3')
      await pass(2 * HOUR)
      expect(count()).toBe(2)
      await writer.send(cake, 'fresh')
      await pass(10 * MINUTE)
      expect(count()).toBe(3)
      expect(mailsTo(address)[2]?.subject).toBe('2 unread notifications in 2 rooms')
      const last = await writer.send(tea, '4')
      await pass(2 * HOUR)
      expect(count()).toBe(3)
      await reader.post(`${inRoom(tea)}/receipt/m.read/${last}`)
      await writer.send(tea, '5')
      await pass(20 * MINUTE)
      await pass(20 * MINUTE)
      expect(count()).toBe(4)
      expect(mailsTo(address)[3]?.subject).toBe('1 unread notification from Tea')
      // Who writes has read.
      await writer.send(cake, 'once more')
      await reader.send(cake, 'here I am')
      await pass(48 * HOUR)
      expect(count()).toBe(4)
    })
  })

  test('who invites again and again brings no mail each time', async () => {
    const { reader, writer, address } = await two()
    await reader.post('/pushers/set', pusher(address))
    await followed(async ({ pass }) => {
      for (let n = 0; n < 5; n++) {
        await writer.createRoom({ name: `Room ${n}`, invite: [reader.userId] })
        await pass(10 * MINUTE)
      }
      expect(mailsTo(address)).toHaveLength(1)
      await pass(HOUR)
    })
    expect(mailsTo(address).map(({ subject }) => subject)).toEqual([
      '1 unread notification from Room 0',
      '4 unread notifications in 4 rooms',
    ])
  })

  test('a new process sends what the old one did not, and nothing again', async () => {
    const { reader, writer, address } = await two()
    const roomId = await sharedRoom(writer, reader, 'Tea')
    await reader.post('/pushers/set', pusher(address))
    await followed(async ({ pass, again }) => {
      await writer.send(roomId, 'before the restart')
      await pass(MINUTE)
      await again()
      await pass(10 * MINUTE)
      expect(mailsTo(address)).toHaveLength(1)
      await again()
      await pass(48 * HOUR)
      expect(mailsTo(address)).toHaveLength(1)
    })
  })

  test('a mail that went out as its process fell is sent again under its Message-ID, and then no more', async () => {
    const { reader, writer, address } = await two()
    const roomId = await sharedRoom(writer, reader, 'Tea')
    await reader.post('/pushers/set', pusher(address))
    const ids: unknown[] = []
    let fallen = false
    const send = async ({ messageId }: Mail) => {
      ids.push(messageId)
      fallen = ids.length === 1
    }
    const fall = { about: 'the process', query: sql`SELECT 1 AS fallen`, expect: [] }
    await followed(
      async ({ pass, again }) => {
        await writer.send(roomId, 'hello')
        await pass(10 * MINUTE)
        await pass(24 * HOUR)
        expect(ids).toHaveLength(1)
        fallen = false
        for (let process = 2; process <= 3; process++) {
          await again()
          await pass(24 * HOUR)
        }
      },
      send,
      () => (fallen ? [fall] : []),
    )
    expect(ids).toEqual([expect.stringMatching(/^<[\w-]{43}@test\.example>$/), ids[0]])
  })

  test('the link of a mail ends them by a button, not by being looked at; mail programs have one, too', async () => {
    const { reader, writer, address } = await two()
    const roomId = await sharedRoom(writer, reader, 'Tea')
    const sent: Mail[] = []
    await reader.post('/pushers/set', pusher(address))
    const send = async (letter: Mail) => void sent.push(letter)
    await followed(async ({ pass }) => {
      await writer.send(roomId, 'hello')
      await pass(10 * MINUTE)
    }, send)
    const link = /^<(https:\/\/test\.example\/\S+)>$/.exec(sent[0]?.headers?.['List-Unsubscribe'] ?? '')?.[1] ?? ''
    expect(sent[0]?.text).toContain(`\n\n${link}\n`)
    const { pathname, search, searchParams } = new URL(link)
    const page = await fetch(`${server.url}${pathname}${search}`)
    expect([page.status, page.headers.get('Content-Type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(await page.text()).toContain(address)
    expect((await reader.get('/pushers')).pushers).toHaveLength(1)

    const form = new FormData()
    form.set('List-Unsubscribe', 'One-Click')
    const post = (query: URLSearchParams) => fetch(`${server.url}${pathname}?${query}`, { method: 'POST', body: form })
    const forged = new URLSearchParams(searchParams)
    forged.set('user', writer.userId)
    expect((await post(forged)).status).toBe(403)
    expect((await fetch(`${server.url}${pathname}?${forged}`)).status).toBe(403)
    expect((await reader.get('/pushers')).pushers).toHaveLength(1)
    expect((await post(searchParams)).status).toBe(200)
    expect(await reader.get('/pushers')).toEqual({ pushers: [] })
    expect((await post(searchParams)).status).toBe(200)
  })

  test('a mail server that is away is asked seldom; a mail that it puts off holds up nobody else', async () => {
    const [one, other] = [await two(), await two()]
    for (const { reader, address } of [one, other]) await reader.post('/pushers/set', pusher(address))
    const tries: string[] = []
    const taken: string[] = []
    let answer: (to: string) => Error | undefined = () => new MailNotSent('away')
    const send = async ({ to, messageId }: Mail) => {
      tries.push(`${to} ${messageId}`)
      const error = answer(to)
      if (error !== undefined) throw error
      taken.push(to)
    }
    await followed(async ({ pass }) => {
      for (const { reader, writer } of [one, other]) await writer.send(await sharedRoom(writer, reader, 'Tea'), 'hello')
      await pass(10 * MINUTE)
      // Two may have begun before the first one failed.
      expect(tries.length).toBeLessThanOrEqual(2)
      for (let minute = 0; minute < 60; minute++) await pass(MINUTE)
      expect(tries.length).toBeLessThan(20)
      answer = (to) => (to === one.address ? new MailPutOff('later') : undefined)
      await pass(HOUR)
      await pass(HOUR)
      expect(taken).toEqual([other.address])
      answer = () => undefined
      await pass(HOUR)
      await pass(HOUR)
      expect(taken).toEqual([other.address, one.address])
      // Each try is the same mail.
      expect(new Set(tries).size).toBe(2)
    }, send)
  })

  test('an address that is refused on three days in a row gets no more mail', async () => {
    const { reader, writer, address } = await two()
    const roomId = await sharedRoom(writer, reader, 'Tea')
    await reader.post('/pushers/set', pusher(address))
    let tries = 0
    const send = async () => {
      tries++
      throw new AddressRefused('550 no such mailbox')
    }
    await followed(async ({ pass }) => {
      for (let day = 1; day <= 3; day++) {
        await writer.send(roomId, `day ${day}`)
        await pass(10 * MINUTE)
        expect(tries).toBe(day)
        await writer.send(roomId, `later on day ${day}`)
        await pass(12 * HOUR)
        expect(tries).toBe(day)
        await pass(12 * HOUR - 10 * MINUTE)
      }
      expect(await reader.get('/pushers')).toEqual({ pushers: [] })
    }, send)
  })
})
