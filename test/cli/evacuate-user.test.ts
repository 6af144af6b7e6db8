import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { benchClient, type Client } from '../bench/client.ts'
import { runCli, temporaryDirectory } from '../helpers/cli.ts'
import { freshPostgres } from '../helpers/databases.ts'
import { prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'

const V3 = '/_matrix/client/v3'
const ALICE = '@alice:localhost'

interface House {
  readonly dir: string
  readonly config: string
  readonly server: ServerProcess
  readonly client: Client
  readonly tokens: { readonly alice: string; readonly bob: string }
  /** Joined, joined, invited, knocking; bob is in all of them. */
  readonly rooms: readonly string[]
}

/** A running server on which alice has to do with four rooms. */
async function startHouse(databaseUri?: string): Promise<House> {
  const dir = temporaryDirectory()
  const config = prepareServer(dir, databaseUri)
  const server = await startServerProcess(config)
  onTestFinished(() => server.end('SIGKILL'))
  const client = benchClient(server.port, 4)
  onTestFinished(() => client.close())
  const register = async (username: string): Promise<string> => {
    const body = { username, password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
    return (await client.call('POST', `${V3}/register`, { body })).body.access_token
  }
  const tokens = { alice: await register('alice'), bob: await register('bob') }
  const knock = { type: 'm.room.join_rules', content: { join_rule: 'knock' } }
  const wishes = [{ preset: 'public_chat' }, { preset: 'public_chat' }, { invite: [ALICE] }, { initial_state: [knock] }]
  const rooms: string[] = []
  for (const body of wishes) {
    rooms.push((await client.call('POST', `${V3}/createRoom`, { token: tokens.bob, body })).body.room_id)
  }
  const entries = [`join/${rooms[0]}`, `join/${rooms[1]}`, `knock/${rooms[3]}`]
  for (const entry of entries) {
    const reply = await client.call('POST', `${V3}/${entry.replaceAll('!', '%21')}`, { token: tokens.alice, body: {} })
    expect(reply.status).toBe(200)
  }
  return { dir, config, server, client, tokens, rooms }
}

async function evacuate(house: House, ...flags: string[]) {
  const result = await runCli(['evacuate-user', ALICE, '--config', house.config, '--json', ...flags])
  const answer = result.stdout === '' ? undefined : JSON.parse(result.stdout)
  return { code: result.code, answer, stderr: result.stderr }
}

async function memberships({ client, tokens, rooms }: House): Promise<unknown[]> {
  const path = (room: string) => `${V3}/rooms/${encodeURIComponent(room)}/state/m.room.member/${ALICE}`
  const replies = await Promise.all(rooms.map((room) => client.call('GET', path(room), { token: tokens.bob })))
  return replies.map((reply) => reply.body.membership)
}

test('leaves, rejects and takes back beside a running server, whose users see it at once', async () => {
  const house = await startHouse()
  const { client, tokens, rooms } = house
  const dry = await evacuate(house, '--dry-run')
  expect(dry.code).toBe(10)
  const found = dry.answer.rooms.map((room: { membership: string }) => room.membership)
  expect(found.sort()).toEqual(['invite', 'join', 'join', 'knock'])
  expect(await memberships(house)).toEqual(['join', 'join', 'invite', 'knock'])
  expect((await evacuate(house)).code).toBe(2)
  expect((await evacuate(house, '--yes', '--room', '!none:localhost')).code).toBe(3)

  const since = (await client.call('GET', `${V3}/sync`, { token: tokens.bob })).body.next_batch
  const poll = client.call('GET', `${V3}/sync?timeout=30000&since=${since}`, { token: tokens.bob })
  const one = await evacuate(house, '--yes', '--room', rooms[0]!, '--reason', 'spam')
  expect([one.code, one.answer]).toEqual([
    0,
    { user_id: ALICE, failed: 0, rooms: [{ room_id: rooms[0], membership: 'join' }] },
  ])
  const [event] = (await poll).body.rooms.join[rooms[0]!].timeline.events
  expect(event.content).toEqual({ membership: 'leave', reason: 'spam' })
  expect(await memberships(house)).toEqual(['leave', 'join', 'invite', 'knock'])

  // Under load: bob writes while alice is taken out.
  let writing = true
  const load = (async () => {
    for (let n = 0; writing; n++) {
      const path = `${V3}/rooms/${encodeURIComponent(rooms[1]!)}/send/m.room.message/${n}`
      const reply = await client.call('PUT', path, { token: tokens.bob, body: { msgtype: 'm.text', body: 'x' } })
      expect(reply.status).toBe(200)
    }
  })()
  const rest = await evacuate(house, '--yes', '--deactivate')
  writing = false
  await load
  expect([rest.code, rest.answer.failed, rest.answer.rooms.length]).toEqual([0, 0, 3])
  expect(await memberships(house)).toEqual(['leave', 'leave', 'leave', 'leave'])
  expect((await client.call('GET', `${V3}/account/whoami`, { token: tokens.alice })).status).toBe(401)
  const again = await evacuate(house, '--yes')
  expect([again.code, again.answer.rooms]).toEqual([0, []])
}, 60_000)

test('goes on after a room that fails, says which, and exits with 1; the server may be down', async () => {
  const house = await startHouse()
  const { rooms } = house
  await house.server.end('SIGTERM')
  const database = new Sqlite(join(house.dir, 'dendrite.db'))
  database.prepare('UPDATE rooms SET blocked = 1 WHERE room_id = ?').run(rooms[0])
  inviteFromAfar(database)
  database.close()
  const result = await evacuate(house, '--yes')
  expect(result.code).toBe(1)
  expect(result.answer.failed).toBe(1)
  const failed = result.answer.rooms.filter((room: { error?: string }) => room.error !== undefined)
  const left = result.answer.rooms.filter((room: { error?: string }) => room.error === undefined)
  expect(left).toHaveLength(4)
  expect(left).toContainEqual({ room_id: '!far:gone.invalid', membership: 'invite' })
  expect(failed).toEqual([{ room_id: rooms[0], membership: 'join', error: expect.stringContaining('blocked') }])
  const dry = await evacuate(house, '--dry-run')
  expect(dry.answer.rooms).toEqual([{ room_id: rooms[0], membership: 'join' }])
  const codeFor = async (user: string) =>
    (await runCli(['evacuate-user', user, '--config', house.config, '--yes'])).code
  expect([await codeFor('nobody'), await codeFor('@alice:other.test')]).toEqual([3, 2])
}, 60_000)

test('works beside a server on PostgreSQL', async () => {
  const undo: (() => Promise<void>)[] = []
  const database = await freshPostgres(undo)
  const house = await startHouse(database.options.connectionString)
  const result = await evacuate(house, '--yes')
  expect([result.code, result.answer.failed, result.answer.rooms.length]).toEqual([0, 0, 4])
  expect(await memberships(house)).toEqual(['leave', 'leave', 'leave', 'leave'])
  await house.server.end('SIGTERM')
  for (const step of undo.reverse()) await step()
}, 60_000)

/** An invite to a room of a server that is no more. */
function inviteFromAfar(database: Sqlite.Database): void {
  database.prepare('INSERT INTO rooms (room, room_id) VALUES (?, ?)').run(99_999, '!far:gone.invalid')
  database
    .prepare(`INSERT INTO memberships (room, user_id, membership, sender, position, out_of_band) VALUES
      (99999, ?, 'invite', '@eve:gone.invalid', 1, 1)`)
    .run(ALICE)
}
