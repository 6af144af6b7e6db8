import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { configFrom } from '../../src/config/load.ts'
import { systemTimers } from '../../src/live/time.ts'
import { AddressRefused, createMailer, type Mailer, MailNotSent } from '../../src/remote/mailer.ts'
import { type MailServer, startMailServer } from '../helpers/mail-server.ts'

const letter = { to: 'a@b.example', subject: 'Hello', text: 'Hello', html: '<p>Hello</p>' }
const open: (Server | MailServer)[] = []
const sockets = new Set<Socket>()
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  for (const server of open.splice(0)) await ('stop' in server ? server.stop() : server.close())
})

function mailerFor(email: Record<string, unknown>): Mailer {
  const config = configFrom({ version: 2, global: { server_name: 'a.test' }, client_api: { email } })
  return createMailer(config.client_api.email, systemTimers)!
}

/** A server that speaks SMTP as the test says. */
async function startLiar(speak: (socket: Socket) => void): Promise<Record<string, unknown>> {
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    speak(socket)
  })
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const rest = { smtp_security: 'none', smtp_timeout: '300ms', from: 'x@y.example' }
  return { smtp_host: '127.0.0.1', smtp_port: port, ...rest }
}

/** Greets, and then says this to each line. */
const answering =
  (...replies: string[]) =>
  (socket: Socket) => {
    const left = [...replies]
    socket.write('220 liar\r\n')
    socket.on('data', () => {
      const reply = left.shift()
      if (reply !== undefined) socket.write(reply)
    })
  }

describe('a mail server', () => {
  test('gets a mail with both parts and no way to answer robots', async () => {
    const server = await startMailServer()
    open.push(server)
    await mailerFor(server.config).send({ ...letter, text: 'Grüße 🍵' })
    const { from, to, text } = await server.next()
    expect([from, to]).toEqual(['matrix@test.example', 'a@b.example'])
    expect(text).toContain('Auto-Submitted: auto-generated')
    expect(text).toContain('text/html')
  })

  test('that is down fails the mail', async () => {
    const config = await startLiar(() => undefined)
    await new Promise<void>((resolve) => (open.pop() as Server).close(() => resolve()))
    await expect(mailerFor(config).send(letter)).rejects.toThrow(MailNotSent)
  })

  test.each<[string, (socket: Socket) => void]>([
    ['says nothing', () => undefined],
    ['hangs up', (socket) => socket.end()],
    ['speaks another protocol', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['has no room', answering('250 liar\r\n', '250 ok\r\n', '452 full\r\n')],
    ['takes the letter and never says so', answering('250 liar\r\n', '250 ok\r\n', '250 ok\r\n', '354 go on\r\n')],
    ['refuses the letter', answering('250 liar\r\n', '250 ok\r\n', '250 ok\r\n', '354 go on\r\n', '554 spam\r\n')],
    [
      'answers a byte at a time, for ever',
      (socket) => {
        socket.write('220-')
        const drip = setInterval(() => socket.write('a'), 20)
        socket.on('close', () => clearInterval(drip))
      },
    ],
  ])('that %s fails the mail in time, and is left', async (_what, speak) => {
    const config = await startLiar(speak)
    const started = performance.now()
    await expect(mailerFor(config).send(letter)).rejects.toThrow(MailNotSent)
    expect(performance.now() - started).toBeLessThan(5_000)
    for (const socket of sockets) {
      if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
    }
  })

  test('that does not know the address says so', async () => {
    const config = await startLiar(answering('250 liar\r\n', '250 ok\r\n', '550 no such user\r\n'))
    await expect(mailerFor(config).send(letter)).rejects.toThrow(AddressRefused)
  })

  test('without encryption, or with a certificate that nobody vouches for, gets nothing', async () => {
    const plain = await startMailServer()
    const selfSigned = await startMailServer({ disabledCommands: ['AUTH'] })
    open.push(plain, selfSigned)
    const wanted = { smtp_security: 'starttls' }
    await expect(mailerFor({ ...plain.config, ...wanted }).send(letter)).rejects.toThrow(MailNotSent)
    await expect(mailerFor({ ...selfSigned.config, ...wanted }).send(letter)).rejects.toThrow(MailNotSent)
    expect([...plain.received, ...selfSigned.received]).toEqual([])
    await mailerFor({ ...selfSigned.config, ...wanted, disable_tls_validation: true }).send(letter)
    expect(selfSigned.received).toHaveLength(1)
  })

  test('is not flooded: what is too much at once is refused', async () => {
    const mailer = mailerFor(await startLiar(() => undefined))
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => mailer.send(letter)))
    const reasons = outcomes.map((one) => String((one as PromiseRejectedResult).reason.message))
    expect(reasons.filter((reason) => reason.includes('too many'))).toHaveLength(4)
  })
})
