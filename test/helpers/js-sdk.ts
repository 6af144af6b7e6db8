import type { ICreateClientOpts, IStartClientOpts, MatrixClient } from 'matrix-js-sdk'
import type { Logger } from 'matrix-js-sdk/lib/logger.js'
import type { Account, TestServer } from './server.ts'

// matrix-js-sdk asks for this of Node 22.
const withResolvers = Promise as unknown as { withResolvers?: () => object }
withResolvers.withResolvers ??= <T>() => {
  let resolve: (value: T) => void = () => undefined
  let reject: (reason: unknown) => void = () => undefined
  const promise = new Promise<T>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}

const nothing = () => undefined
/** What the SDK says is of no use to who reads the tests. */
const silent: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  getChild: () => silent,
}

/** Of the logger that those parts of the SDK share which do not ask the client for one. */
const SILENT = 5

/** matrix-js-sdk, loaded after what it asks for is there. */
export async function sdk() {
  const { logger } = await import('matrix-js-sdk/lib/logger.js')
  const shared = logger as unknown as { setLevel?: (level: number) => void; getChild: () => Logger }
  shared.setLevel?.(SILENT)
  shared.getChild = () => silent
  return import('matrix-js-sdk')
}

/** A new user whose client has synced for the first time and goes on. Stop it before the server. */
export async function enter(
  server: TestServer,
  localpart: string,
  options: IStartClientOpts = { initialSyncLimit: 20 },
): Promise<MatrixClient> {
  const client = await clientOf(server, await server.register(localpart))
  await start(client, options)
  return client
}

/** What the clients ask besides syncing, and has no answer yet. */
const asked = new WeakMap<MatrixClient, Set<Promise<unknown>>>()

/** Stops clients before their server goes: the SDK asks things whose failure nobody catches. */
export async function stopClients(clients: readonly MatrixClient[]): Promise<void> {
  for (const client of clients) client.stopClient()
  for (const client of clients) {
    const open = asked.get(client) ?? new Set()
    while (open.size > 0) {
      await Promise.allSettled(open)
      await new Promise(setImmediate)
    }
  }
}

/** A client of the account that does not sync yet. */
export async function clientOf(
  server: Pick<TestServer, 'url'>,
  account: Account,
  more: Partial<ICreateClientOpts> = {},
): Promise<MatrixClient> {
  const { createClient } = await sdk()
  const { userId, token: accessToken, deviceId } = account
  const open = new Set<Promise<unknown>>()
  const fetchFn: typeof fetch = (url, init) => {
    const answer = fetch(url, init)
    if (!String(url).includes('/sync?')) {
      open.add(answer)
      const done = () => void open.delete(answer)
      answer.then(done, done)
    }
    return answer
  }
  const client = createClient({ baseUrl: server.url, userId, accessToken, deviceId, logger: silent, fetchFn, ...more })
  asked.set(client, open)
  return client
}

/** Resolves once the client has synced for the first time. */
export async function start(client: MatrixClient, options: IStartClientOpts): Promise<void> {
  const { ClientEvent, SyncState } = await sdk()
  const prepared = new Promise<void>((done) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) done()
    })
  })
  await client.startClient(options)
  await prepared
}

/** Resolves once the condition holds: it is looked at whenever the client has news. */
export async function until<T>(client: MatrixClient, condition: () => T | undefined | false): Promise<T> {
  const { ClientEvent, MatrixEventEvent, RoomEvent, ThreadEvent } = await sdk()
  const names = [
    ClientEvent.Sync,
    ClientEvent.Event,
    RoomEvent.Timeline,
    RoomEvent.Receipt,
    RoomEvent.UnreadNotifications,
    MatrixEventEvent.Replaced,
    MatrixEventEvent.Decrypted,
    ThreadEvent.New,
    ThreadEvent.Update,
    ThreadEvent.NewReply,
  ]
  return new Promise((resolve, reject) => {
    const look = () => {
      let found: T | undefined | false
      try {
        found = condition()
      } catch (error) {
        end()
        reject(error as Error)
      }
      if (found === undefined || found === false) return
      end()
      resolve(found)
    }
    // The SDK tells of some news before it has finished with it.
    const later = () => setImmediate(look)
    const end = () => {
      for (const name of names) client.off(name as never, later as never)
    }
    for (const name of names) client.on(name as never, later as never)
    look()
  })
}
