import { benchClient, type Client } from '../bench/client.ts'
import { prepareServer, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'

const V3 = '/_matrix/client/v3'
export const SENDERS = 16
/** More than one page holds, so that every read pages. */
const PAGE = 900

/** What a client was told, and what the server shows afterwards. */
export interface Outcome {
  readonly acknowledged: readonly string[]
  /** Event ids of messages by `/messages`, oldest first. */
  readonly history: readonly string[]
  /** The same by `/sync` from a token older than all of them, page by page. */
  readonly synced: readonly string[]
}

/** What breaks the promise that acknowledged means stored, once, in one order; empty when it held. */
export function brokenPromises({ acknowledged, history, synced }: Outcome): string[] {
  const faults: string[] = []
  const known = new Set(history)
  for (const eventId of acknowledged) if (!known.has(eventId)) faults.push(`lost: ${eventId}`)
  if (known.size !== history.length) faults.push('an event stands twice in the history')
  if (new Set(acknowledged).size !== acknowledged.length) faults.push('two requests were given one event id')
  const tail = history.slice(history.length - synced.length)
  if (synced.join() !== tail.join()) faults.push('sync and history differ')
  return faults
}

/** Kills the server `cycles` times under load, each time after `acks` more answers, and looks at what is left. */
export async function killUnderLoad(
  dir: string,
  databaseUri: string | undefined,
  cycles: number,
  acks: number,
): Promise<Outcome> {
  const config = prepareServer(dir, databaseUri)
  let server = await startServerProcess(config)
  let client = benchClient(server.port, SENDERS * 2)
  const { tokens, roomId } = await populate(client)
  const acknowledged: string[] = []
  let since = await syncToken(client, tokens[0]!)
  const synced: string[] = []
  for (let cycle = 0; cycle < cycles; cycle++) {
    await sendUntilKilled(server, client, { tokens, roomId, cycle, acks, acknowledged })
    client.close()
    server = await startServerProcess(config)
    client = benchClient(server.port, SENDERS * 2)
    const read = await syncOn(client, tokens[0]!, roomId, since)
    synced.push(...read.eventIds)
    since = read.since
  }
  const history = await readHistory(client, tokens[0]!, roomId)
  client.close()
  await server.end('SIGTERM')
  return { acknowledged, history, synced }
}

async function populate(client: Client): Promise<{ tokens: string[]; roomId: string }> {
  const tokens: string[] = []
  for (let index = 0; index < SENDERS; index++) {
    const body = { username: `user${index}`, password: 'correct horse battery', auth: { type: 'm.login.dummy' } }
    tokens.push((await client.call('POST', `${V3}/register`, { body })).body.access_token)
  }
  const wish = { preset: 'public_chat' }
  const roomId = (await client.call('POST', `${V3}/createRoom`, { token: tokens[0]!, body: wish })).body.room_id
  for (const token of tokens.slice(1)) {
    await client.call('POST', `${V3}/join/${encodeURIComponent(roomId)}`, { token, body: {} })
  }
  return { tokens, roomId }
}

interface Load {
  readonly tokens: readonly string[]
  readonly roomId: string
  readonly cycle: number
  readonly acks: number
  readonly acknowledged: string[]
}

async function sendUntilKilled(server: ServerProcess, client: Client, load: Load): Promise<void> {
  const enough = load.acknowledged.length + load.acks
  let killed: Promise<void> | undefined
  await Promise.all(
    load.tokens.map(async (token, user) => {
      for (let n = 0; killed === undefined; n++) {
        const txnId = `${load.cycle}-${user}-${n}`
        const path = `${V3}/rooms/${encodeURIComponent(load.roomId)}/send/m.room.message/${txnId}`
        const answer = await client
          .call('PUT', path, { token, body: { msgtype: 'm.text', body: txnId } })
          .catch(() => undefined)
        if (answer === undefined) return
        if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
        load.acknowledged.push(answer.body.event_id)
        if (load.acknowledged.length >= enough) killed ??= server.end('SIGKILL')
      }
    }),
  )
  await killed
}

async function syncToken(client: Client, token: string): Promise<string> {
  return (await client.call('GET', `${V3}/sync`, { token })).body.next_batch
}

/** Event ids of the messages since the token; the load of one cycle fits into one timeline. */
async function syncOn(client: Client, token: string, roomId: string, since: string) {
  const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 1_000, types: ['m.room.message'] } } }))
  const reply = (await client.call('GET', `${V3}/sync?since=${since}&filter=${filter}`, { token })).body
  const timeline = reply.rooms?.join?.[roomId]?.timeline
  if (timeline?.limited === true) throw new Error('One cycle sent more than a timeline holds')
  const eventIds: string[] = (timeline?.events ?? []).map((event: { event_id: string }) => event.event_id)
  return { since: reply.next_batch as string, eventIds }
}

async function readHistory(client: Client, token: string, roomId: string): Promise<string[]> {
  const eventIds: string[] = []
  for (let from = ''; ; ) {
    const path = `${V3}/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=${PAGE}${from}`
    const reply = (await client.call('GET', path, { token })).body
    for (const event of reply.chunk) if (event.type === 'm.room.message') eventIds.push(event.event_id)
    if (reply.end === undefined) return eventIds.reverse()
    from = `&from=${reply.end}`
  }
}
