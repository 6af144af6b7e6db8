import { join } from 'node:path'
import type { IContent, MatrixClient, MatrixEvent, Room } from 'matrix-js-sdk'
import { expect, test } from 'vitest'
import { append } from '../../src/actions/append.ts'
import type { UserId } from '../../src/core/ids.ts'
import { eachEngine } from '../helpers/databases.ts'
import { enter, sdk, stopClients, until } from '../helpers/js-sdk.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MEMBERS = 2_000
const MEMBERS_AT_ONCE = 250
/** Room state without its members. */
const FEW_MEMBERS = 10

eachEngine((engine, fresh) => {
  /** Runs the test with a server; what it lets in is stopped with it. */
  async function withServer(run: (server: TestServer, let_in: Enter) => Promise<void>): Promise<void> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'sdk.db')}`
    const server = await startTestServer({}, uri)
    const clients: MatrixClient[] = []
    try {
      await run(server, async (localpart, options) => {
        const client = await enter(server, localpart, options)
        clients.push(client)
        return client
      })
    } finally {
      await stopClients(clients)
      await server.stop()
    }
  }

  test('people edit, react, and see what is read', { timeout: 60_000 }, async () => {
    await withServer(async (_server, letIn) => {
      const { EventType, MsgType, NotificationCountType, Preset, RelationType, ReceiptType } = await sdk()
      const options = { initialSyncLimit: 20, threadSupport: true }
      const [alice, bob] = [await letIn('alice', options), await letIn('bob', options)]
      const { room_id: roomId } = await alice.createRoom({ preset: Preset.PublicChat })
      await bob.joinRoom(roomId)
      const room = await until(bob, () => bob.getRoom(roomId) ?? undefined)
      await until(alice, () => sawJoin(alice.getRoom(roomId), bob))
      const unread = () => room.getUnreadNotificationCount(NotificationCountType.Total)

      const { event_id: eventId } = await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: 'helo' })
      const message = await until(bob, () => eventIn(room, eventId))
      await until(bob, () => unread() === 1)
      await alice.sendEvent(roomId, EventType.RoomMessage, {
        msgtype: MsgType.Text,
        body: '* hello',
        'm.new_content': { msgtype: MsgType.Text, body: 'hello' },
        'm.relates_to': { rel_type: RelationType.Replace, event_id: eventId },
      })
      await until(bob, () => message.getContent().body === 'hello')
      // An edit is no news of its own.
      expect(unread()).toBe(1)
      await alice.sendEvent(roomId, EventType.Reaction, {
        'm.relates_to': { rel_type: RelationType.Annotation, event_id: eventId, key: '👍' },
      })
      const reactions = () =>
        room.relations.getChildEventsForEvent(eventId, RelationType.Annotation, EventType.Reaction)?.getRelations()
      const [reaction] = await until(bob, () => (reactions()?.length === 1 ? reactions() : undefined))
      expect(reaction?.getRelation()?.key).toBe('👍')

      const aliceRoom = alice.getRoom(roomId)!
      await bob.sendReceipt(message, ReceiptType.Read, {}, true)
      await until(alice, () => aliceRoom.getEventReadUpTo(bob.getUserId()!) === eventId)
      await until(bob, () => unread() === 0)
    })
  })

  test('a thread is read by itself', { timeout: 60_000 }, async () => {
    await withServer(async (_server, letIn) => {
      const { MsgType, NotificationCountType, Preset, RoomEvent } = await sdk()
      const options = { initialSyncLimit: 20, threadSupport: true }
      const [alice, bob] = [await letIn('alice', options), await letIn('bob', options)]
      const { room_id: roomId } = await alice.createRoom({ preset: Preset.PublicChat })
      await bob.joinRoom(roomId)
      const room = await until(bob, () => bob.getRoom(roomId) ?? undefined)
      await until(alice, () => sawJoin(alice.getRoom(roomId), bob))
      const heard: IContent[] = []
      alice.on(RoomEvent.Receipt, (event) => heard.push(event.getContent()))
      const { event_id: eventId } = await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: 'root' })
      await until(bob, () => eventIn(room, eventId))
      const { event_id: replyId } = await alice.sendMessage(roomId, eventId, {
        msgtype: MsgType.Text,
        body: 'in the thread',
      })
      const inThread = () => room.getThreadUnreadNotificationCount(eventId, NotificationCountType.Total)
      await until(bob, () => inThread() === 1)
      const thread = await until(bob, () => room.getThread(eventId) ?? undefined)
      const reply = await until(bob, () => thread.findEventById(replyId))
      expect(reply.threadRootId).toBe(eventId)
      const threadOf = (content: IContent) => content[replyId]?.['m.read']?.[bob.getUserId()!]?.thread_id
      await bob.sendReadReceipt(reply)
      await until(bob, () => inThread() === 0)
      await until(alice, () => heard.some((content) => threadOf(content) === eventId))
    })
  })

  test('a room of 2,000 members is entered with few of them, and all are there when asked for', {
    timeout: 120_000,
  }, async () => {
    await withServer(async (server, letIn) => {
      const { MsgType, Preset } = await sdk()
      const alice = await letIn('alice')
      const { room_id: roomId } = await alice.createRoom({ preset: Preset.PublicChat, name: 'Stadium' })
      await fill(server, roomId, MEMBERS)
      const { event_id: eventId } = await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: 'welcome' })
      const bob = await letIn('bob', { initialSyncLimit: 20, lazyLoadMembers: true })
      await bob.joinRoom(roomId)
      const room = await until(bob, () => bob.getRoom(roomId) ?? undefined)
      await until(bob, () => eventIn(room, eventId))
      expect(room.name).toBe('Stadium')
      expect(room.getJoinedMemberCount()).toBe(MEMBERS + 2)
      expect(room.currentState.getMembers().length).toBeLessThan(FEW_MEMBERS + 20)
      expect(room.getMember(alice.getUserId()!)?.name).toBe('alice')
      await room.loadMembersIfNeeded()
      expect(room.getJoinedMembers()).toHaveLength(MEMBERS + 2)
      // Whoever speaks is known by name, whether they came with the first answer or not.
      const { event_id: later } = await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: 'and more' })
      const event = await until(bob, () => eventIn(room, later))
      expect(event.sender?.name).toBe('alice')
    })
  })

  test('a client that was away comes back to a gap, and pages back over it', {
    timeout: 60_000,
  }, async () => {
    await withServer(async (_server, letIn) => {
      const { EventType, MsgType, Preset } = await sdk()
      const [alice, bob] = [await letIn('alice'), await letIn('bob')]
      const { room_id: roomId } = await alice.createRoom({ preset: Preset.PublicChat, name: 'before' })
      await bob.joinRoom(roomId)
      const room = await until(bob, () => bob.getRoom(roomId) ?? undefined)
      const { event_id: known } = await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: 'known' })
      await until(bob, () => eventIn(room, known))
      bob.stopClient()
      await alice.setRoomName(roomId, 'after')
      const missed: string[] = []
      for (let n = 0; n < 60; n++) {
        const { event_id: eventId } = await alice.sendMessage(roomId, { msgtype: MsgType.Text, body: `${n}` })
        missed.push(eventId)
      }
      await bob.startClient({ initialSyncLimit: 20 })
      await until(bob, () => bob.getRoom(roomId)?.findEventById(missed.at(-1)!))
      const back = bob.getRoom(roomId)!
      expect(back.name).toBe('after')
      const bodies = () => messagesOf(back, EventType.RoomMessage)
      expect(bodies()).not.toContain('0')
      while (back.oldState.paginationToken !== null && !bodies().includes('known')) await bob.scrollback(back, 20)
      expect(bodies()).toEqual(['known', ...missed.map((_, n) => `${n}`)])
    })
  })
})

type Enter = (localpart: string, options?: Parameters<typeof enter>[2]) => Promise<MatrixClient>

function eventIn(room: Room, eventId: string): MatrixEvent | undefined {
  return room.findEventById(eventId)
}

/**
 * The SDK knows of the membership before its event stands in the timeline. What is sent in between stands above it
 * there, and a receipt for that counts as older than the joining itself.
 */
function sawJoin(room: Room | null, user: MatrixClient): boolean {
  const events = room?.getLiveTimeline().getEvents() ?? []
  return events.some((event) => event.getType() === 'm.room.member' && event.getStateKey() === user.getUserId())
}

function messagesOf(room: Room, type: string): string[] {
  const events = room.getLiveTimeline().getEvents()
  return events.filter((event) => event.getType() === type).map((event) => event.getContent().body)
}

/** Members without accounts: only their member events matter here. */
async function fill(server: TestServer, roomId: string, members: number): Promise<void> {
  for (let start = 0; start < members; start += MEMBERS_AT_ONCE) {
    await append(server.app, roomId, async (writer) => {
      for (let n = start; n < start + MEMBERS_AT_ONCE; n++) {
        const userId = `@member${n}:test.example` as UserId
        const content = { membership: 'join', displayname: `Member ${n}` }
        await writer.add({ type: 'm.room.member', stateKey: userId, sender: userId, content })
      }
    })
  }
}
