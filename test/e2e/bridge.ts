import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { Appservice, LogLevel, LogService, MemoryStorageProvider } from 'matrix-bot-sdk'
import { parse, stringify } from 'yaml'
import { benchClient, type Client } from '../bench/client.ts'
import { AS_TOKEN, HS_TOKEN } from '../helpers/appservice.ts'
import { prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'

const V3 = '/_matrix/client/v3'
const REGISTRATION = {
  id: 'bridge',
  as_token: AS_TOKEN,
  hs_token: HS_TOKEN,
  sender_localpart: 'bridgebot',
  namespaces: {
    users: [{ exclusive: true, regex: '@_bridge_.*' }],
    aliases: [{ exclusive: true, regex: '#_bridge_.*' }],
    rooms: [],
  },
}
/** The server is killed after so many messages of a cycle, and some of them are under way then. */
const MESSAGES = 12
const SERVER_NAME = /server_name: (\S+)/

/** Event ids of messages: what the room has, oldest first, and what the bridge was told. */
export interface Bridged {
  readonly history: readonly string[]
  readonly told: readonly string[]
  /** Those of them that the ghost has sent. */
  readonly spoken: readonly string[]
}

/** What breaks the promise that a bridge is told everything, in order and once; empty when it held. */
export function brokenBridge({ history, told, spoken }: Bridged): string[] {
  const known = new Set(told)
  return [
    ...history.filter((eventId) => !known.has(eventId)).map((eventId) => `not told: ${eventId}`),
    ...(known.size === told.length ? [] : ['something was told twice']),
    ...(told.join() === history.join() ? [] : ['not told in the order of the room']),
    ...spoken.filter((eventId) => !history.includes(eventId)).map((eventId) => `lost: ${eventId}`),
  ]
}

/** A bridge of matrix-bot-sdk beside a server: one of them goes in each cycle, the server by a kill. */
export async function bridgeUnderKills(
  dir: string,
  databaseUri: string | undefined,
  cycles: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Bridged> {
  LogService.setLevel(LogLevel.ERROR)
  for (const name of ['MatrixHttpClient', 'Appservice', 'Intent']) LogService.muteModule(name)
  const [port, bridgePort] = [await freePort(), await freePort()]
  const config = withBridge(prepareServer(dir, databaseUri), dir, bridgePort)
  const start = () => startServerProcess(config, env, [], port)
  const told: string[] = []
  const homeserverName = SERVER_NAME.exec(readFileSync(config, 'utf8'))?.[1] ?? ''
  // Outlives the bridge, with the transactions that it has taken: the library's store in a file forgets those.
  const storage = new MemoryStorageProvider()
  const open = () => openBridge({ storage, port, bridgePort, homeserverName, told })
  let server: ServerProcess = await start()
  let client = benchClient(server.port, 8)
  const body = { username: 'alice', password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
  const token: string = (await client.call('POST', `${V3}/register`, { body })).body.access_token
  const wish = { token, body: { preset: 'public_chat' } }
  const roomId: string = (await client.call('POST', `${V3}/createRoom`, wish)).body.room_id
  let bridge = await open()
  await bridge.getIntent('_bridge_ann').ensureRegisteredAndJoined(roomId)
  // Of the ghost's join the library reads more at the server, and is stuck for good when that goes meanwhile.
  await client.call('PUT', messagePath(roomId, 'first'), { token, body: { msgtype: 'm.text', body: 'first' } })
  while (told.length === 0) await delay()
  const spoken: string[] = []
  for (let cycle = 0; cycle < cycles; cycle++) {
    const before = told.length
    const ghost = bridge.getIntent('_bridge_ann')
    const talk = talkOn(client, token, roomId, cycle)
    spoken.push(await ghost.sendText(roomId, `from the other side ${cycle}`))
    if (cycle % 3 === 1) {
      await close(bridge)
      bridge = await open()
    }
    await talk
    // Killed while it tells. On PostgreSQL that begins when the lease of the one before has run out.
    while (told.length === before) await delay()
    await server.end('SIGKILL')
    client.close()
    server = await start()
    client = benchClient(server.port, 8)
  }
  await client.call('PUT', messagePath(roomId, 'last'), { token, body: { msgtype: 'm.text', body: 'last' } })
  const history = await historyOf(client, token, roomId)
  for (let waited = 0; told.at(-1) !== history.at(-1) && waited < 300; waited++) await delay()
  await close(bridge)
  client.close()
  await server.end('SIGTERM')
  return { history, told, spoken }
}

const delay = () => new Promise((resolve) => setTimeout(resolve, 100))
const messagePath = (roomId: string, name: string) =>
  `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${name}`

function withBridge(config: string, dir: string, bridgePort: number): string {
  const registration = join(dir, 'bridge.yaml')
  writeFileSync(registration, stringify({ ...REGISTRATION, url: `http://127.0.0.1:${bridgePort}` }))
  const settings = parse(readFileSync(config, 'utf8'))
  writeFileSync(config, stringify({ ...settings, app_service_api: { config_files: [registration] } }))
  return config
}

interface Place {
  readonly storage: MemoryStorageProvider
  readonly port: number
  readonly bridgePort: number
  readonly homeserverName: string
  readonly told: string[]
}

async function openBridge({ storage, port, bridgePort, homeserverName, told }: Place): Promise<Appservice> {
  const bridge = new Appservice({
    port: bridgePort,
    bindAddress: '127.0.0.1',
    homeserverName,
    homeserverUrl: `http://127.0.0.1:${port}`,
    registration: { ...REGISTRATION, url: `http://127.0.0.1:${bridgePort}` },
    storage,
  })
  bridge.on('room.message', (_roomId: string, event: { event_id: string }) => told.push(event.event_id))
  await bridge.begin()
  return bridge
}

/** What has reached it, it reads to the end and notes as read before it goes: as a process, it would not outlive it. */
async function close(bridge: Appservice): Promise<void> {
  const inside = bridge as unknown as {
    appServer: Server & { closeAllConnections(): void }
    pendingTransactions: object
  }
  bridge.stop()
  inside.appServer.closeAllConnections()
  // A request whose body is being parsed is not among the pending ones yet.
  await delay()
  await Promise.all(Object.values(inside.pendingTransactions))
  await delay()
}

/** Sends messages side by side; resolves when all but the last few are acknowledged. */
async function talkOn(client: Client, token: string, roomId: string, cycle: number): Promise<void> {
  const send = (n: number) =>
    client.call('PUT', messagePath(roomId, `${cycle}-${n}`), {
      token,
      body: { msgtype: 'm.text', body: `${cycle} ${n}` },
    })
  await Promise.all(Array.from({ length: MESSAGES }, (_, n) => send(n)))
  for (let n = 0; n < 4; n++) void send(MESSAGES + n).catch(() => undefined)
}

async function historyOf(client: Client, token: string, roomId: string): Promise<string[]> {
  const ids: string[] = []
  const room = `${V3}/rooms/${encodeURIComponent(roomId)}/messages?dir=f&limit=500`
  for (let from = ''; ; ) {
    const { chunk, end } = (await client.call('GET', `${room}${from}`, { token })).body
    for (const event of chunk) if (event.type === 'm.room.message') ids.push(event.event_id)
    if (end === undefined || chunk.length === 0) return ids
    from = `&from=${encodeURIComponent(end)}`
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}
