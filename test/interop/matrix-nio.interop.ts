import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { encryptedClient, knowing, setUpIdentity, textOf } from '../helpers/encrypted-client.ts'
import { sdk, until } from '../helpers/js-sdk.ts'
import { pythonWith } from '../helpers/python.ts'
import type { Account } from '../helpers/server.ts'

const SCRIPT = join(import.meta.dirname, 'nio_client.py')
const python = await pythonWith('matrix-nio', ['matrix-nio[e2e]==0.26.0'])

interface Said {
  readonly joined?: string
  readonly read?: string
  readonly encrypted?: boolean
  readonly unreadable?: string
}

eachServer({}, (server) => {
  const undo: (() => unknown)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step()
  })

  /** A client by matrix-nio. `heard` resolves with the next thing that it says. */
  async function nio(account: Account): Promise<{ heard(): Promise<Said> }> {
    const dir = await mkdtemp(join(tmpdir(), 'dendrite-nio-'))
    undo.push(() => rm(dir, { recursive: true, force: true }))
    const { userId, deviceId, token } = account
    const child = spawn(python!, [SCRIPT, server.url, userId, deviceId, token, dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    undo.push(() => child.kill())
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return {
      async heard() {
        const { value, done } = await lines.next()
        if (done === true) throw new Error('matrix-nio has ended')
        return JSON.parse(value) as Said
      },
    }
  }

  test.runIf(python !== undefined)(
    'matrix-nio joins an encrypted room of matrix-js-sdk, reads it, and is read',
    async () => {
      const { EventType, MsgType, Preset } = await sdk()
      const alice = await encryptedClient(server, await server.register('alice'), {})
      undo.push(() => alice.client.stopClient())
      await setUpIdentity(alice)
      const account = await server.register('nio')
      const other = await nio(account)
      const { room_id: roomId } = await alice.client.createRoom({
        preset: Preset.TrustedPrivateChat,
        invite: [account.userId],
        initial_state: [
          { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
        ],
      })
      expect(await other.heard()).toEqual({ joined: roomId })
      const room = await until(alice.client, () => alice.client.getRoom(roomId) ?? undefined)
      await until(alice.client, () => room.getJoinedMemberCount() === 2 && alice.client.isRoomEncrypted(roomId))
      await knowing(alice, account.userId, ({ deviceId }) => deviceId === account.deviceId)
      await alice.client.sendMessage(roomId, { msgtype: MsgType.Text, body: 'can you read this?' })
      expect(await other.heard()).toEqual({ read: 'can you read this?', encrypted: true })
      const answer = await until(alice.client, () =>
        room
          .getLiveTimeline()
          .getEvents()
          .find(
            (event) => event.getSender() === account.userId && event.getWireType() === EventType.RoomMessageEncrypted,
          ),
      )
      expect(await textOf(alice, roomId, answer.getId()!)).toBe('matrix-nio read: can you read this?')
    },
    120_000,
  )
})
