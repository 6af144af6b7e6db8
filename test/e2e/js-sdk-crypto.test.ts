import { afterEach, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import {
  compareEmoji,
  type EncryptedClient,
  encryptedClient,
  type Keychain,
  knowing,
  setUpIdentity,
  takeUpIdentity,
  textOf,
  trusting,
  verificationRequest,
} from '../helpers/encrypted-client.ts'
import { sdk, stopClients, until } from '../helpers/js-sdk.ts'
import type { Account } from '../helpers/server.ts'
import { logIn } from '../helpers/session.ts'

const TIMEOUT_MS = 120_000

eachServer({}, (server) => {
  const running: EncryptedClient[] = []
  afterEach(async () => {
    await stopClients(running.splice(0).map(({ client }) => client))
  })

  async function device(account: Account, keychain: Keychain): Promise<EncryptedClient> {
    const opened = await encryptedClient(server, account, keychain)
    running.push(opened)
    return opened
  }

  /** A new user with an identity. */
  async function person(localpart: string, keychain: Keychain = {}): Promise<EncryptedClient> {
    const opened = await device(await server.register(localpart), keychain)
    await setUpIdentity(opened)
    return opened
  }

  async function say({ client }: EncryptedClient, roomId: string, body: string): Promise<string> {
    const { MsgType } = await sdk()
    return (await client.sendMessage(roomId, { msgtype: MsgType.Text, body })).event_id
  }

  async function encryptedRoom(alice: EncryptedClient, bob: EncryptedClient): Promise<string> {
    const { EventType, Preset } = await sdk()
    const encryption = { algorithm: 'm.megolm.v1.aes-sha2' }
    const { room_id: roomId } = await alice.client.createRoom({
      preset: Preset.TrustedPrivateChat,
      is_direct: true,
      invite: [bob.client.getSafeUserId()],
      initial_state: [{ type: EventType.RoomEncryption, state_key: '', content: encryption }],
    })
    await bob.client.joinRoom(roomId)
    for (const { client } of [alice, bob])
      await until(client, () => client.getRoom(roomId)?.getJoinedMemberCount() === 2 && client.isRoomEncrypted(roomId))
    return roomId
  }

  test(
    'two people talk in secret, and find by emoji that they are who they say',
    async () => {
      const [alice, bob] = [await person('alice'), await person('bob')]
      const roomId = await encryptedRoom(alice, bob)
      expect(await textOf(bob, roomId, await say(alice, roomId, 'for bob alone'))).toBe('for bob alone')
      expect(await textOf(alice, roomId, await say(bob, roomId, 'for alice alone'))).toBe('for alice alone')
      const { Direction } = await sdk()
      const stored = await alice.client.createMessagesRequest(roomId, null, 100, Direction.Backward)
      expect(JSON.stringify(stored)).not.toContain('alone')

      const received = verificationRequest(bob)
      const request = await alice.crypto.requestVerificationDM(bob.client.getSafeUserId(), roomId)
      const [hers, his] = await compareEmoji(request, received)
      expect(hers).toBe(his)
      await trusting(alice, bob)
      await trusting(bob, alice)
    },
    TIMEOUT_MS,
  )

  test(
    'a third device verifies itself, and reads what was said before it came; a lost one is replaced',
    async () => {
      const keychain: Keychain = {}
      const [carol, dave] = [await person('carol', keychain), await person('dave')]
      const roomId = await encryptedRoom(carol, dave)
      const before = [await say(dave, roomId, 'long ago'), await say(carol, roomId, 'an answer')]
      for (const id of before) await textOf(carol, roomId, id)
      await backedUp(carol, 2)

      const second = await device(await logIn(server, 'carol'), keychain)
      await takeUpIdentity(second)
      const received = verificationRequest(carol)
      const request = await second.crypto.requestDeviceVerification(
        carol.client.getSafeUserId(),
        carol.client.getDeviceId()!,
      )
      const [here, there] = await compareEmoji(request, received)
      expect(here).toBe(there)
      const status = await carol.crypto.getDeviceVerificationStatus(
        carol.client.getSafeUserId(),
        second.client.getDeviceId()!,
      )
      expect(status?.isVerified()).toBe(true)
      expect((await second.crypto.restoreKeyBackup()).imported).toBe(2)
      for (const id of before) expect(await textOf(second, roomId, id)).toBeTypeOf('string')

      await carol.client.logout(true)
      await second.client.logout(true)
      const regained = await device(await logIn(server, 'carol'), keychain)
      await takeUpIdentity(regained)
      await regained.crypto.restoreKeyBackup()
      expect(await textOf(regained, roomId, before[0]!)).toBe('long ago')
      expect(await textOf(regained, roomId, await say(dave, roomId, 'welcome back'))).toBe('welcome back')
      expect(await textOf(dave, roomId, await say(regained, roomId, 'thanks'))).toBe('thanks')
    },
    TIMEOUT_MS,
  )

  test(
    'what was said while nobody of the user was there waits at the dehydrated device',
    async () => {
      const keychain: Keychain = {}
      const [erin, frank] = [await person('erin', keychain), await person('frank')]
      const roomId = await encryptedRoom(erin, frank)
      await erin.crypto.startDehydration()
      await knowing(frank, erin.client.getSafeUserId(), (one) => one.dehydrated)
      await erin.client.logout(true)
      const missed = await say(frank, roomId, 'you missed this')
      const back = await device(await logIn(server, 'erin'), keychain)
      await takeUpIdentity(back)
      await back.crypto.startDehydration({ rehydrate: true })
      expect(await textOf(back, roomId, missed)).toBe('you missed this')
    },
    TIMEOUT_MS,
  )

  /** Resolves once so many keys of the client are in its backup. */
  async function backedUp({ client }: EncryptedClient, count: number): Promise<void> {
    const { CryptoEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')
    for (;;) {
      const news = new Promise((resolve) => client.once(CryptoEvent.KeyBackupSessionsRemaining, resolve))
      const token = client.getAccessToken()!
      const { body } = await server.call('GET', '/_matrix/client/v3/room_keys/version', { token })
      if (Number(body.count) >= count) return
      await news
    }
  }
})
