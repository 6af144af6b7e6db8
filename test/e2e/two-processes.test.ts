import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { benchClient, type Client } from '../bench/client.ts'
import { freshPostgres } from '../helpers/databases.ts'
import { raceOnAliases, raceOnMemberships, raceOnState, raceOnTransactions } from '../helpers/races.ts'
import { prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'
import { sessionOf } from '../helpers/session.ts'

const V3 = '/_matrix/client/v3'
const SENDERS = 8
const ACKS = 150
const WAKES = 20

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** Two servers on one PostgreSQL, a room, and somebody in it. */
async function startTwo() {
  const database = await freshPostgres(undo)
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-two-'))
  undo.push(async () => rmSync(dir, { recursive: true, force: true }))
  const config = prepareServer(dir, database.options.connectionString)
  const servers: ServerProcess[] = []
  const clients: Client[] = []
  for (let index = 0; index < 2; index++) {
    const server = await startServerProcess(config)
    undo.push(() => server.end('SIGKILL'))
    const client = benchClient(server.port, SENDERS * 2)
    undo.push(async () => client.close())
    servers.push(server)
    clients.push(client)
  }
  const body = { username: 'alice', password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
  const token: string = (await clients[0]!.call('POST', `${V3}/register`, { body })).body.access_token
  const made = await clients[1]!.call('POST', `${V3}/createRoom`, { token, body: {} })
  return { servers, clients, token, roomId: made.body.room_id as string }
}

function send(client: Client, token: string, roomId: string, txnId: string) {
  const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
  return client.call('PUT', path, { token, body: { msgtype: 'm.text', body: txnId } })
}

test('a send at one process wakes a sync at the other', async () => {
  const { clients, token, roomId } = await startTwo()
  const [first, second] = [clients[0]!, clients[1]!]
  let since: string = (await second.call('GET', `${V3}/sync`, { token })).body.next_batch
  const times: number[] = []
  for (let n = 0; n < WAKES; n++) {
    const poll = second.call('GET', `${V3}/sync?timeout=20000&since=${since}`, { token })
    const { event_id: eventId } = (await send(first, token, roomId, `wake-${n}`)).body
    const before = performance.now()
    const reply = (await poll).body
    times.push(performance.now() - before)
    expect(reply.rooms.join[roomId].timeline.events.map((event: { event_id: string }) => event.event_id)).toEqual([
      eventId,
    ])
    since = reply.next_batch
  }
  const median = times.sort((a, b) => a - b)[WAKES / 2]!
  process.stdout.write(
    `a sync at the other process wakes ${median.toFixed(1)} ms (median) after the answer to the send\n`,
  )
  expect(median).toBeLessThan(100)
}, 60_000)

test('both write into one room, one is killed, and nothing acknowledged is lost', async () => {
  const { servers, clients, token, roomId } = await startTwo()
  const acknowledged: string[] = []
  let killed = false
  const load = Array.from({ length: SENDERS }, async (_, sender) => {
    const which = sender % 2
    for (let n = 0; acknowledged.length < ACKS * 2; n++) {
      const answer = await send(clients[which]!, token, roomId, `${sender}-${n}`).catch(() => undefined)
      if (answer === undefined && which === 0 && killed) return
      expect([answer?.status, answer?.body]).toEqual([200, expect.anything()])
      acknowledged.push(answer?.body.event_id)
      if (acknowledged.length >= ACKS && !killed) {
        killed = true
        void servers[0]!.end('SIGKILL')
      }
    }
  })
  await Promise.all(load)
  const history: string[] = []
  for (let from = ''; ; ) {
    const path = `${V3}/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=500${from}`
    const reply = (await clients[1]!.call('GET', path, { token })).body
    history.push(...reply.chunk.map((event: { event_id: string }) => event.event_id))
    if (reply.end === undefined) break
    from = `&from=${reply.end}`
  }
  const known = new Set(history)
  expect(known.size).toBe(history.length)
  expect(acknowledged.filter((eventId) => !known.has(eventId))).toEqual([])
  expect(killed).toBe(true)
}, 60_000)

test('requests that race at both leave one outcome', async () => {
  const { clients } = await startTwo()
  const everywhere = async (username: string) => {
    const body = { username, password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
    const {
      user_id: userId,
      access_token: token,
      device_id: deviceId,
    } = (await clients[0]!.call('POST', `${V3}/register`, { body })).body
    const account = { userId, token, deviceId }
    return clients.map(({ call }) =>
      sessionOf({ call: async (...request) => ({ headers: new Headers(), ...(await call(...request)) }) }, account),
    )
  }
  const racers = { alice: await everywhere('ann'), bob: await everywhere('bob') }
  await raceOnState(racers)
  await raceOnMemberships(racers)
  await raceOnAliases(racers)
  await raceOnTransactions(racers)
}, 60_000)
