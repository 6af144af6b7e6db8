import type { IStartClientOpts, MatrixClient } from 'matrix-js-sdk'
import type { Logger } from 'matrix-js-sdk/lib/logger.js'
import type { TestServer } from './server.ts'

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

/** matrix-js-sdk, loaded after what it asks for is there. */
export function sdk() {
  return import('matrix-js-sdk')
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

/** A new user whose client has synced for the first time and goes on. Stop it before the server. */
export async function enter(
  server: TestServer,
  localpart: string,
  options: IStartClientOpts = { initialSyncLimit: 20 },
): Promise<MatrixClient> {
  const { createClient } = await sdk()
  const account = await server.register(localpart)
  const client = createClient({
    baseUrl: server.url,
    userId: account.userId,
    accessToken: account.token,
    deviceId: account.deviceId,
    logger: silent,
  })
  await start(client, options)
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
