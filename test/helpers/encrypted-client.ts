import type { Device, MatrixClient } from 'matrix-js-sdk'
import type { CryptoApi, GeneratedSecretStorageKey, VerificationRequest } from 'matrix-js-sdk/lib/crypto-api/index.js'
import { clientOf, start, until } from './js-sdk.ts'
import type { Account, TestServer } from './server.ts'

/** What a person keeps outside of all devices: the key to the secrets that are stored on the server. */
export interface Keychain {
  recoveryKey?: Uint8Array<ArrayBuffer>
}

export interface EncryptedClient {
  readonly client: MatrixClient
  readonly crypto: CryptoApi
}

/** A client of a device that encrypts, with its keys in memory. It has synced for the first time. */
export async function encryptedClient(
  server: Pick<TestServer, 'url'>,
  account: Account,
  keychain: Keychain,
): Promise<EncryptedClient> {
  const client = await clientOf(server, account, {
    cryptoCallbacks: {
      async getSecretStorageKey({ keys }) {
        const [id] = Object.keys(keys)
        return id === undefined || keychain.recoveryKey === undefined ? null : [id, keychain.recoveryKey]
      },
      cacheSecretStorageKey(_id, _info, key) {
        keychain.recoveryKey = key
      },
    },
  })
  await client.initRustCrypto({ useIndexedDB: false })
  await start(client, { initialSyncLimit: 20 })
  return { client, crypto: client.getCrypto()! }
}

/** Makes the person's identity, the secrets on the server, and a key backup. */
export async function setUpIdentity({ crypto }: EncryptedClient): Promise<void> {
  await crypto.bootstrapCrossSigning({
    async authUploadDeviceSigningKeys(makeRequest) {
      // Who has no identity yet needs no password for the first one.
      await makeRequest(null)
    },
  })
  let generated: GeneratedSecretStorageKey | undefined
  await crypto.bootstrapSecretStorage({
    async createSecretStorageKey() {
      generated ??= await crypto.createRecoveryKeyFromPassphrase()
      return generated
    },
    setupNewKeyBackup: true,
  })
  await crypto.checkKeyBackupAndEnable()
}

/** Makes a new device one of the person's own, by the secrets on the server. */
export async function takeUpIdentity({ client, crypto }: EncryptedClient): Promise<void> {
  await crypto.userHasCrossSigningKeys(client.getSafeUserId(), true)
  await crypto.bootstrapCrossSigning({})
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage()
  await crypto.checkKeyBackupAndEnable()
}

/** The text of a message, once the client has it and can read it. */
export function textOf({ client }: EncryptedClient, roomId: string, eventId: string): Promise<string> {
  return until(client, () => {
    const event = client.getRoom(roomId)?.findEventById(eventId)
    const text = event?.isDecryptionFailure() === false ? event.getContent().body : undefined
    return typeof text === 'string' && text
  })
}

/** Two people compare emoji until both believe that the other is who they say. Resolves with what each saw. */
export async function compareEmoji(
  request: VerificationRequest,
  received: Promise<VerificationRequest>,
): Promise<readonly [string, string]> {
  const theirs = await received
  await theirs.accept()
  await inPhase(request, 'Ready')
  const { VerifierEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')
  const verifier = await request.startVerification('m.sas.v1')
  await inPhase(theirs, 'Started')
  const other = theirs.verifier!
  const seen = [verifier, other].map(
    (one) =>
      new Promise<string>((resolve) => {
        one.once(VerifierEvent.ShowSas, (sas) => {
          resolve(JSON.stringify(sas.sas.emoji))
          void sas.confirm()
        })
      }),
  )
  await Promise.all([verifier.verify(), other.verify()])
  await Promise.all([inPhase(request, 'Done'), inPhase(theirs, 'Done')])
  const [first = '', second = ''] = await Promise.all(seen)
  return [first, second]
}

/** Resolves with the next request to compare keys that reaches the client. */
export async function verificationRequest({ client }: EncryptedClient): Promise<VerificationRequest> {
  const { CryptoEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')
  return new Promise((resolve) => {
    client.once(CryptoEvent.VerificationRequestReceived, resolve)
  })
}

/** Resolves once the client knows that the other person’s keys were compared. */
export async function trusting({ client, crypto }: EncryptedClient, other: EncryptedClient): Promise<void> {
  const { CryptoEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')
  const userId = other.client.getSafeUserId()
  for (;;) {
    const news = new Promise((resolve) => client.once(CryptoEvent.UserTrustStatusChanged, resolve))
    if ((await crypto.getUserVerificationStatus(userId)).isCrossSigningVerified()) return
    await news
  }
}

/** Resolves once the client knows of such a device of the user. */
export async function knowing(
  { client, crypto }: EncryptedClient,
  userId: string,
  isWanted: (device: Device) => boolean,
): Promise<void> {
  const { CryptoEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')
  for (;;) {
    const news = new Promise((resolve) => client.once(CryptoEvent.DevicesUpdated, resolve))
    const devices = (await crypto.getUserDeviceInfo([userId])).get(userId)?.values() ?? []
    if ([...devices].some(isWanted)) return
    await news
  }
}

async function inPhase(request: VerificationRequest, name: 'Ready' | 'Started' | 'Done'): Promise<void> {
  const { VerificationPhase, VerificationRequestEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')
  const wanted = VerificationPhase[name]
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (request.phase === VerificationPhase.Cancelled) reject(new Error(`cancelled: ${request.cancellationCode}`))
      else if (request.phase < wanted) return
      else resolve()
      request.off(VerificationRequestEvent.Change, look)
    }
    request.on(VerificationRequestEvent.Change, look)
    look()
  })
}
