import { expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { eachServer } from '../helpers/each-server.ts'
import { enter, enterAsGuest, inRoom, type Json, type Session } from '../helpers/session.ts'

type Visibility = 'world_readable' | 'shared' | 'invited' | 'joined'
type Who = 'member' | 'joiner' | 'leaver' | 'returner' | 'invited' | 'rejecter' | 'banned' | 'stranger' | 'guest'

/**
 * Messages of one room in their order, each with what the people do after it. All but `member` come later or go
 * earlier; `joiner` is invited first.
 */
const STAGES = ['start', 'invitations', 'joins', 'leaves', 'returns'] as const
type Stage = (typeof STAGES)[number]

/** By the text of the specification ("Room history visibility"): who sees the message of which stage. */
const SEEN: Record<Visibility, Record<Who, readonly Stage[]>> = {
  world_readable: all(STAGES),
  shared: {
    member: STAGES,
    joiner: STAGES,
    leaver: ['start', 'invitations', 'joins'],
    returner: STAGES,
    invited: [],
    rejecter: [],
    banned: ['start', 'invitations', 'joins'],
    stranger: [],
    guest: [],
  },
  invited: {
    member: STAGES,
    joiner: ['invitations', 'joins', 'leaves', 'returns'],
    leaver: ['start', 'invitations', 'joins'],
    returner: ['start', 'invitations', 'joins', 'returns'],
    invited: ['invitations', 'joins', 'leaves', 'returns'],
    rejecter: ['invitations', 'joins'],
    banned: ['start', 'invitations', 'joins'],
    stranger: [],
    guest: [],
  },
  joined: {
    member: STAGES,
    joiner: ['joins', 'leaves', 'returns'],
    leaver: ['start', 'invitations', 'joins'],
    returner: ['start', 'invitations', 'joins', 'returns'],
    invited: [],
    rejecter: [],
    banned: ['start', 'invitations', 'joins'],
    stranger: [],
    guest: [],
  },
}

function all(stages: readonly Stage[]): Record<Who, readonly Stage[]> {
  const whos = ['member', 'joiner', 'leaver', 'returner', 'invited', 'rejecter', 'banned', 'stranger', 'guest']
  return Object.fromEntries(whos.map((who) => [who, stages])) as Record<Who, readonly Stage[]>
}

/** Routes whose answers hold events of rooms; a new one has to be looked at here, or be named as one that has none. */
const ROUTES = [
  'GET /_matrix/client/v3/sync',
  'POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync',
  'GET /_matrix/client/v3/rooms/{roomId}/messages',
  'GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}',
  'GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}',
  'GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}',
  'GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}',
  'GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}',
  'GET /_matrix/client/v1/rooms/{roomId}/threads',
  'GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event',
  'GET /_matrix/client/v3/notifications',
  'GET /_matrix/client/v3/events',
  'GET /_matrix/client/v3/events/{eventId}',
  'GET /_matrix/client/v3/initialSync',
  'GET /_matrix/client/v3/rooms/{roomId}/initialSync',
  'POST /_matrix/client/v3/search',
]

const NAMES =
  'sync|initialSync|events|notifications|messages|context|event|relations|threads|timestamp_to_event|v3/search'
/** The events of a dehydrated device are messages to it, of no room. */
const EVENTS_IN = new RegExp(`^[A-Z]+ /_matrix/client(?!.*dehydrated_device).*/(${NAMES})\\b`)

interface Scene {
  readonly roomId: string
  readonly root: string
  readonly people: ReadonlyMap<Who, Session>
  /** Id of each stage's message, and the stage of each id that tells of it. */
  readonly messages: ReadonlyMap<Stage, string>
  readonly stages: ReadonlyMap<string, Stage>
}

eachServer({ guests_disabled: false }, (server) => {
  let scenes = 0

  /** `root` is a message that all who were ever in see; each stage's message is a reply in its thread. */
  async function play(visibility: Visibility): Promise<Scene> {
    const number = scenes++
    const person = (who: Who) => enter(server, `${who}${number}`)
    const whos: Who[] = ['member', 'joiner', 'leaver', 'returner', 'invited', 'rejecter', 'banned', 'stranger']
    const people = new Map<Who, Session>()
    for (const who of whos) people.set(who, await person(who))
    people.set('guest', await enterAsGuest(server))
    const of = (who: Who) => people.get(who)!
    const owner = of('member')
    const initial_state = [
      { type: 'm.room.history_visibility', content: { history_visibility: visibility } },
      { type: 'm.room.join_rules', content: { join_rule: 'public' } },
    ]
    const roomId = await owner.createRoom({ initial_state })
    for (const who of ['leaver', 'returner', 'banned'] as const) await of(who).join(roomId)
    const root = await owner.send(roomId, 'root')
    const messages = new Map<Stage, string>()
    const stages = new Map<string, Stage>()
    const say = async (stage: Stage) => {
      // The word names everybody in push rules, so that notifications have something to say.
      const relation = { rel_type: 'm.thread', event_id: root }
      const body = `@room ${stage}`
      const eventId = await owner.send(roomId, {
        msgtype: 'm.text',
        body,
        'm.relates_to': relation,
        'm.mentions': { room: true },
      })
      messages.set(stage, eventId)
      stages.set(eventId, stage)
    }
    await say('start')
    for (const who of ['joiner', 'invited', 'rejecter'] as const)
      await owner.post(`${inRoom(roomId)}/invite`, { user_id: of(who).userId })
    await say('invitations')
    await of('joiner').join(roomId)
    await say('joins')
    for (const who of ['leaver', 'returner', 'rejecter'] as const) await of(who).post(`${inRoom(roomId)}/leave`)
    await owner.post(`${inRoom(roomId)}/ban`, { user_id: of('banned').userId })
    await say('leaves')
    await of('returner').join(roomId)
    await say('returns')
    return { roomId, root, people, messages, stages }
  }

  /** The stages of which an answer tells, wherever in it: whole events, bundled ones, or ids alone. */
  function told(scene: Scene, answer: unknown): Stage[] {
    const found = new Set<Stage>()
    const look = (value: unknown): void => {
      if (typeof value === 'string' && scene.stages.has(value)) found.add(scene.stages.get(value)!)
      else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) look(item)
    }
    look(answer)
    return STAGES.filter((stage) => found.has(stage))
  }

  /** What the user is told by each route; a refusal tells nothing. */
  async function hear(scene: Scene, user: Session): Promise<[string, Stage[]][]> {
    const { roomId, root, messages } = scene
    const room = inRoom(roomId)
    const v1 = `/_matrix/client/v1${room}`
    const ask = async (path: string): Promise<Json> => {
      const reply = await user.call('GET', path)
      return reply.status === 200 ? reply.body : undefined
    }
    const each = (path: (eventId: string) => string) => Promise.all([...messages.values()].map((id) => ask(path(id))))
    const single = async (path: (eventId: string) => string) => {
      const answers = await each(path)
      return STAGES.filter((_stage, index) => answers[index] !== undefined)
    }
    const filter = encodeURIComponent(JSON.stringify({ room: { include_leave: true, timeline: { limit: 50 } } }))
    const heard: [string, Stage[]][] = []
    for (const dir of ['b', 'f'])
      heard.push([`messages ${dir}`, told(scene, await ask(`${room}/messages?dir=${dir}&limit=100`))])
    heard.push(['event', await single((id) => `${room}/event/${id}`)])
    heard.push(['context', await single((id) => `${room}/context/${id}?limit=0`)])
    const times = await each((id) => `${room}/event/${id}`)
    heard.push(['around', told(scene, await each((id) => `${room}/context/${id}?limit=50`))])
    for (const path of ['', '/m.thread', '/m.thread/m.room.message'])
      heard.push([`relations${path}`, told(scene, await ask(`${v1}/relations/${root}${path}?limit=100`))])
    heard.push(['threads', told(scene, await ask(`${v1}/threads`))])
    heard.push(['bundled', told(scene, await ask(`${room}/event/${root}`))])
    heard.push(['sync', told(scene, await ask(`/sync?filter=${filter}`))])
    const wish = { timeline_limit: 50, required_state: [['*', '*']] }
    const wishes = { lists: { all: wish }, room_subscriptions: { [roomId]: wish } }
    const sliding = await user.call('POST', '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync', wishes)
    heard.push(['sliding sync', told(scene, sliding.status === 200 ? sliding.body : undefined)])
    heard.push(['one event', await single((id) => `/events/${id}`)])
    heard.push(['events', told(scene, await ask(`/events?from=s0_.0&timeout=0`))])
    heard.push(['events of the room', told(scene, await ask(`/events?room_id=${roomId}&from=s0_.0&timeout=0`))])
    heard.push(['initialSync', told(scene, await ask('/initialSync?limit=50&archived=true'))])
    heard.push(['initialSync of the room', told(scene, await ask(`${room}/initialSync?limit=50`))])
    heard.push(['notifications', told(scene, await ask('/notifications?limit=100'))])
    const criteria = { search_term: 'room', event_context: {}, filter: { limit: 50 } }
    const search = await user.call('POST', '/search', { search_categories: { room_events: criteria } })
    heard.push(['search', told(scene, search.status === 200 ? search.body : undefined)])
    const near: Stage[] = []
    for (const ts of [0, Number.MAX_SAFE_INTEGER, ...times.flatMap((event) => event?.origin_server_ts ?? [])])
      for (const dir of ['f', 'b']) near.push(...told(scene, await ask(`${v1}/timestamp_to_event?ts=${ts}&dir=${dir}`)))
    heard.push(['near', near])
    return heard
  }

  test.each(Object.keys(SEEN) as Visibility[])(
    '%s history is told of to whom it is open, by any route',
    async (visibility) => {
      const scene = await play(visibility)
      for (const [who, user] of scene.people) {
        const seen = SEEN[visibility][who]
        const heard = new Map(await hear(scene, user))
        for (const [route, stages] of heard)
          expect([who, route, stages.filter((stage) => !seen.includes(stage))]).toEqual([who, route, []])
        // What is open is found, too: event by event by everybody, and on pages by who may read the room.
        expect([who, heard.get('event')]).toEqual([who, seen])
        if (who !== 'guest') expect([who, heard.get('one event')]).toEqual([who, seen])
        if (seen.length === 0 || who === 'rejecter') continue
        for (const route of ['messages b', 'messages f', 'context', 'around'])
          expect([who, route, heard.get(route)]).toEqual([who, route, seen])
      }
      const member = new Map(await hear(scene, scene.people.get('member')!))
      for (const route of [
        'relations',
        'relations/m.thread',
        'relations/m.thread/m.room.message',
        'sync',
        'sliding sync',
        'events',
        'search',
      ])
        expect([route, member.get(route)]).toEqual([route, STAGES])
    },
  )

  test('S16: every route that answers with events is gone through', () => {
    const withEvents = ENDPOINTS.map(({ method, path }) => `${method} ${path}`).filter((key) => EVENTS_IN.test(key))
    expect(withEvents.filter((key) => !ROUTES.includes(key))).toEqual([])
    expect(ROUTES.filter((key) => !withEvents.includes(key))).toEqual([])
  })
})
