import { join } from 'node:path'
import { expect, test } from 'vitest'
import { completeRoom, startCompleting } from '../../../src/actions/federation/complete-room.ts'
import { entryOf } from '../../../src/actions/rooms/room-draft.ts'
import { emptyTip } from '../../../src/actions/rooms/room-writer.ts'
import { write } from '../../../src/actions/write.ts'
import type { RoomId, ServerName } from '../../../src/core/ids.ts'
import { generateSigningKey, writeKeyPem } from '../../../src/core/keys.ts'
import { roomVersion } from '../../../src/core/room-version.ts'
import { systemRandom } from '../../../src/live/time.ts'
import { noteResident, residentOf } from '../../../src/store/room-takeover.ts'
import { roomById } from '../../../src/store/rooms.ts'
import { eachEngine } from '../../helpers/databases.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { type Json, logIn, type Session, sessionOf } from '../../helpers/session.ts'

const OTHERS = ['carol', 'dave', 'erin']
const LAZY = { filter: { room: { state: { lazy_load_members: true } } } }
const stateOf = (uri: string) => uri.includes('/v1/state/')
const member = (sync: Json, roomId: string): string[] =>
  (sync.rooms?.join?.[roomId]?.state.events ?? [])
    .filter((event: Json) => event.type === 'm.room.member')
    .map((event: Json) => event.state_key)

eachEngine((engine, fresh) => {
  /** Bob of b has joined a room of a, which has more members, and does not tell who they are. */
  async function joinedWithoutMembers(
    work: (scene: Scene) => Promise<void>,
    before: (network: TestNetwork, roomId: string) => Promise<void> = async () => undefined,
    wish: object = { name: 'Tea' },
  ): Promise<void> {
    const network = createTestNetwork()
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'b.db')}`
    const keyPem = writeKeyPem(generateSigningKey(systemRandom.bytes))
    const startB = () => network.start('b.example', uri, { keyPem })
    try {
      const [a, b] = [await network.start('a.example'), await startB()]
      const alice = sessionOf(a, await a.register('alice'))
      const bob = sessionOf(b, await b.register('bob'))
      const roomId = await alice.createRoom({ preset: 'public_chat', ...wish })
      for (const name of OTHERS) await sessionOf(a, await a.register(name)).join(roomId)
      await before(network, roomId)
      network.refuse(stateOf)
      await bob.post(`/join/${encodeURIComponent(roomId)}?server_name=a.example`)
      await settled(a, b)
      await work({ network, a, b, alice, bob, roomId: roomId as RoomId, startB })
    } finally {
      await network.stop()
    }
  }

  test('a room is there before its members are', () =>
    joinedWithoutMembers(async ({ network, a, b, alice, bob, roomId }) => {
      const early = await bob.sync()
      expect(member(early, roomId)).not.toContain(alice.userId)
      expect(early.rooms.join[roomId].state.events.map((event: Json) => event.type)).toContain('m.room.name')
      expect(await bob.state(roomId, 'm.room.name')).toEqual({ name: 'Tea' })
      // What we say goes out; what rests on members waits, and so does what is asked about them.
      const said = await bob.send(roomId, 'first')
      await settled(b, a)
      expect((await alice.sync()).rooms.join[roomId].timeline.events.at(-1).event_id).toBe(said)
      const waiting = await alice.send(roomId, 'second')
      await settled(a, b)
      expect((await bob.sync()).rooms.join[roomId].timeline.events.at(-1).event_id).toBe(said)
      const joined = bob.get(`/rooms/${encodeURIComponent(roomId)}/joined_members`)
      const kicked = bob.call('POST', `/rooms/${encodeURIComponent(roomId)}/kick`, { user_id: alice.userId })

      network.refuse(() => false)
      void startCompleting(b.app, roomId)
      const everybody = ['alice', ...OTHERS].map((name) => `@${name}:a.example`)
      expect(Object.keys((await joined).joined).sort()).toEqual([...everybody, bob.userId].sort())
      expect((await kicked).status).toBe(403)
      await settled(b)
      const later = await bob.sync(early)
      expect(later.rooms.join[roomId].timeline.events.at(-1).event_id).toBe(waiting)
      // A client that loads all members gets those that came later; one that does not, gets whom it needs.
      expect(member(later, roomId).sort()).toEqual(expect.arrayContaining(everybody))
      expect(later.rooms.join[roomId].summary).toMatchObject({ 'm.joined_member_count': everybody.length + 1 })
      expect(member(await bob.sync(undefined, LAZY), roomId)).toEqual([alice.userId])
      expect(await b.app.db.read({ strings: ['SELECT COUNT(*) AS n FROM staged_pdus'], holes: [] })).toEqual([{ n: 0 }])
    }))

  test('where nobody was left out clients are not told the members again', () =>
    joinedWithoutMembers(
      async ({ network, b, alice, bob, roomId }) => {
        const early = await bob.sync()
        // Without a name the room shows whom it is with: all of them came with the join.
        expect(member(early, roomId)).toContain(alice.userId)
        const joined = bob.get(`/rooms/${encodeURIComponent(roomId)}/joined_members`)
        network.refuse(() => false)
        await startCompleting(b.app, roomId)
        expect(Object.keys((await joined).joined)).toHaveLength(OTHERS.length + 2)
        await settled(b)
        expect(member(await bob.sync(early), roomId)).toEqual([])
      },
      undefined,
      {},
    ))

  test('the members come after a restart too', () =>
    joinedWithoutMembers(async ({ network, b, alice, bob, roomId, startB }) => {
      await b.stop()
      network.refuse(() => false)
      const again = await startB()
      const members = sessionOf(again, bob)
      const list = await members.get(`/rooms/${encodeURIComponent(roomId)}/members?membership=join`)
      expect(list.chunk.map((event: Json) => event.state_key)).toContain(alice.userId)
      expect(list.chunk).toHaveLength(OTHERS.length + 2)
    }))

  test('who let us in tells the members, after a restart too; others are asked when it has been silent for long', () =>
    joinedWithoutMembers(
      async ({ network, b, roomId, startB }) => {
        const asked = () => network.carried.filter(({ uri }) => stateOf(uri)).map(({ destination }) => destination)
        const earlier = asked()
        network.cut('a.example', true)
        await b.stop()
        network.refuse(() => false)
        const again = await startB()
        await startCompleting(again.app, roomId)
        expect(asked()).toEqual(earlier)
        const room = (await roomById(again.app.db, roomId))!.room
        const resident = { server: 'a.example' as ServerName, since: again.app.clock.now() - 600_001 }
        await write(again.app, { guards: [], writes: [noteResident(room, resident)], log: [] })
        await startCompleting(again.app, roomId)
        expect(asked()).toEqual([...earlier, '0.example'])
        expect(await residentOf(again.app.db, room)).toBeUndefined()
      },
      async (network, roomId) => {
        // Its name comes first.
        const other = await network.start('0.example')
        const zoe = sessionOf(other, await other.register('zoe'))
        await zoe.post(`/join/${encodeURIComponent(roomId)}?server_name=a.example`)
        await settled(other)
      },
    ))

  test('a process that is late with the members does not put back who left meanwhile', () =>
    joinedWithoutMembers(async ({ network, a, b, bob, roomId }) => {
      network.refuse(() => false)
      let [told, goOn] = [() => {}, () => {}]
      const isTold = new Promise<void>((resolve) => {
        told = resolve
      })
      const mayGoOn = new Promise<void>((resolve) => {
        goOn = resolve
      })
      const { transport } = b.app.remote
      const slow: typeof transport = {
        ...transport,
        async send(request) {
          const answer = await transport.send(request)
          told()
          await mayGoOn
          return answer
        },
      }
      const late = completeRoom({ ...b.app, remote: { ...b.app.remote, transport: slow } }, roomId)
      await isTold
      await completeRoom(b.app, roomId)
      const dave = await logIn(a, 'dave')
      await dave.post(`/rooms/${encodeURIComponent(roomId)}/leave`)
      await settled(a, b)
      const joined = async () =>
        Object.keys((await bob.get(`/rooms/${encodeURIComponent(roomId)}/joined_members`)).joined)
      expect(await joined()).not.toContain(dave.userId)
      goOn()
      await late
      expect(await joined()).not.toContain(dave.userId)
    }))

  test('a member who comes just as somebody looks for them is found', () =>
    joinedWithoutMembers(async ({ network, a, b, alice, roomId }) => {
      network.refuse(() => false)
      const { db } = b.app
      let look = 0
      const between = new Proxy(db, {
        get: (target, key) =>
          key !== 'read'
            ? Reflect.get(target, key)
            : async (query: Parameters<typeof db.read>[0]) => {
                const rows = await db.read(query)
                if (query.holes.includes(alice.userId) && look++ === 0) await completeRoom(b.app, roomId)
                return rows
              },
      })
      const { room, version } = (await roomById(db, roomId))!
      const tip = emptyTip(room, roomVersion(version!)!, roomId)
      const draft = { isNew: false, tip, writes: [], guards: [], log: [], events: [] }
      const found = await entryOf({ ...b.app, db: between }, draft, 'm.room.member', alice.userId)
      expect([look > 0, found?.value.sender]).toEqual([true, alice.userId])
      await settled(a, b)
    }))

  test('who does not know the members says so to other servers', () =>
    joinedWithoutMembers(async ({ network, a, alice, roomId }) => {
      const uri = `/_matrix/federation/v1/make_join/${roomId}/${encodeURIComponent(alice.userId)}?ver=12`
      await expect(network.ask(a, 'b.example', { method: 'GET', uri })).rejects.toMatchObject({ status: 503 })
    }))
})

interface Scene {
  readonly network: TestNetwork
  readonly a: TestServer
  readonly b: TestServer
  readonly alice: Session
  readonly bob: Session
  readonly roomId: RoomId
  startB(): Promise<TestServer>
}
