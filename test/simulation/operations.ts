import { sendToDevice } from '../../src/actions/keys/send-to-device.ts'
import { changeMembership, type Membership } from '../../src/actions/memberships/change-membership.ts'
import { join } from '../../src/actions/memberships/join.ts'
import { knock } from '../../src/actions/memberships/knock.ts'
import { leave } from '../../src/actions/memberships/leave.ts'
import { sendEvent } from '../../src/actions/rooms/send-event.ts'
import { sendState } from '../../src/actions/rooms/send-state.ts'
import type { App } from '../../src/app.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { RoomVersion } from '../../src/core/room-version.ts'
import { sql } from '../../src/db/sql.ts'
import type { Dice } from '../core/state/dice.ts'
import { ALICE, DEVICE, HONEST, HONEST_NAMES, POWER } from './base.ts'
import { DAVE } from './liar.ts'

/** Who does something, at the server that takes it. */
export interface Actor {
  readonly app: App
  readonly user: UserId
  readonly version: RoomVersion
  readonly roomId: RoomId
  readonly dice: Dice
  /** Says apart what is done at the same time. */
  readonly count: number
  /** What was sent by anybody honest, and may be redacted. */
  readonly sent: readonly EventId[]
  /** What the server knows of the room. */
  readonly members: ReadonlyMap<string, string>
  readonly joinRule: string
}

export async function actorOf(wish: Omit<Actor, 'members' | 'joinRule'>): Promise<Actor> {
  const { app, roomId } = wish
  const room = sql`(SELECT room FROM rooms WHERE room_id = ${roomId})`
  const members = await app.db.read<{ user_id: string; membership: string }>(
    sql`SELECT user_id, membership FROM memberships WHERE room = ${room} ORDER BY user_id`,
  )
  const [rules] = await app.db.read<{ content: string }>(sql`SELECT e.content FROM current_state c
    JOIN events e ON e.event = c.event WHERE c.room = ${room} AND c.type = 'm.room.join_rules' AND c.state_key = ''`)
  const { join_rule: joinRule = 'invite' } = JSON.parse(rules?.content ?? '{}') as { join_rule?: string }
  return { ...wish, members: new Map(members.map((row) => [row.user_id, row.membership])), joinRule }
}

/** Resolves with the id of the event, or of what else can be told apart. */
type Operation = (actor: Actor) => Promise<string | undefined>

const NOBODYS = ['@amy:a.example', '@ben:b.example', '@cid:c.example', DAVE] as UserId[]
const SOMEBODYS = ['@bob:b.example', '@carol:c.example'] as UserId[]
const EVERYBODY = Object.values(HONEST).flat() as UserId[]
/** Of so many victims one is of those who carry their server. */
const RARELY = 6

const membershipOf = ({ members }: Actor, userId: string) => members.get(userId) ?? 'leave'
const isOut = (actor: Actor) => !['join', 'ban'].includes(membershipOf(actor, actor.user))
const isIn = (actor: Actor) => membershipOf(actor, actor.user) === 'join'

/** Those of whom it can be true. */
function victims(actor: Actor, from: readonly Membership[]): readonly UserId[] {
  const some = actor.dice.below(RARELY) === 0 ? SOMEBODYS : NOBODYS
  return some.filter((userId) => userId !== actor.user && from.includes(membershipOf(actor, userId) as Membership))
}

function member(membership: Membership, from: readonly Membership[]): Operation {
  return async (actor) => {
    const targets = victims(actor, from)
    if (targets.length === 0) return undefined
    const wish = { roomId: actor.roomId, sender: actor.user, target: actor.dice.pick(targets), membership }
    return changeMembership(actor.app, membership === 'leave' ? { ...wish, from } : wish)
  }
}

function state(type: string, content: (actor: Actor) => JsonObject): Operation {
  return (actor) =>
    sendState(actor.app, {
      roomId: actor.roomId,
      sender: actor.user,
      guest: false,
      type,
      stateKey: '',
      content: content(actor),
    })
}

const own = ({ roomId, user }: Actor) => ({ roomId, sender: user, target: user })
const via = ({ dice }: Actor) => dice.shuffle(HONEST_NAMES) as ServerName[]

export const send = ({ app, roomId, user, count }: Pick<Actor, 'app' | 'roomId' | 'user' | 'count'>) =>
  sendEvent(app, { roomId, sender: user, type: 'm.room.message', stateKey: null, content: { body: `${count}` } })

const redact: Operation = ({ app, roomId, user, dice, sent }) => {
  if (sent.length === 0) return Promise.resolve(undefined)
  const redacts = dice.pick(sent.slice(-20))
  return sendEvent(app, { roomId, sender: user, type: 'm.room.redaction', stateKey: null, content: {}, redacts })
}

const changePower = state('m.room.power_levels', ({ app, roomId, dice }) => {
  const levels = dice.pick([0, 25, 50, 60])
  const founder = roomId.includes(':') ? { [ALICE]: 100 } : {}
  const users = { ...founder, ...POWER, [dice.pick([...SOMEBODYS, ...NOBODYS])]: levels, [dice.pick(NOBODYS)]: levels }
  const base = { invite: 0, events_default: 0, state_default: 50, events: { 'm.room.power_levels': 60 } }
  return { users, ...base, ban: dice.pick([50, 60]), kick: app.serverName.startsWith('a') ? 50 : 60 }
})

/** Somebody has to stay who can ban the liar in the end. */
const leaveRoom: Operation = (actor) =>
  actor.user === ALICE ? Promise.resolve(undefined) : leave(actor.app, own(actor))

const message: Operation = async ({ app, user, dice, count }) => {
  const target = dice.pick(EVERYBODY.filter((other) => other !== user))
  const transaction = { userId: user, deviceId: DEVICE, endpoint: 'sendToDevice', roomId: '', txnId: `${count}` }
  await sendToDevice(app, {
    sender: user,
    type: 'm.test',
    messages: { [target]: { '*': { count } } },
    transaction,
  })
  return `${target} ${count}`
}

const canJoin = (actor: Actor) =>
  isOut(actor) && (actor.joinRule === 'public' || membershipOf(actor, actor.user) === 'invite')
const canKnock = (actor: Actor) => isOut(actor) && actor.joinRule === 'knock'
const someAre = (membership: string) => (actor: Actor) =>
  isIn(actor) && [...actor.members.values()].includes(membership)

/** Each as often as it stands for, where the server knows nothing against it; `isIn` where nothing else is said. */
const WEIGHTS: readonly (readonly [
  name: string,
  weight: number,
  operation: Operation,
  fits?: (actor: Actor) => boolean,
])[] = [
  ['send', 26, send],
  ['topic', 10, state('m.room.topic', ({ count }) => ({ topic: `${count}` }))],
  ['name', 4, state('m.room.name', ({ count }) => ({ name: `${count}` }))],
  [
    'rules',
    4,
    state('m.room.join_rules', ({ dice, version }) => ({
      join_rule: dice.pick(['public', 'public', 'invite', ...(version.knock ? ['knock', 'knock', 'knock'] : [])]),
    })),
  ],
  ['power', 6, changePower],
  ['kick', 6, member('leave', ['join', 'invite', 'knock'])],
  ['ban', 4, member('ban', ['join', 'invite', 'knock', 'leave'])],
  ['unban', 8, member('leave', ['ban']), someAre('ban')],
  ['invite', 6, member('invite', ['leave', 'knock']), someAre('leave')],
  ['redact', 8, redact],
  ['leave', 4, leaveRoom],
  ['join', 30, (actor) => join(actor.app, own(actor), via(actor)), canJoin],
  ['knock', 30, (actor) => knock(actor.app, own(actor), via(actor)), canKnock],
  ['message', 8, message, () => true],
]
const HAT = WEIGHTS.flatMap(([name, weight, operation, fits = isIn]) =>
  Array.from({ length: weight }, () => ({ name, operation, fits })),
)
/** After so many that do not fit, one that does not: it has to be refused. */
const TRIES = 5

export function anyOperation(actor: Actor): { readonly name: string; readonly operation: Operation } {
  let picked = actor.dice.pick(HAT)
  for (let tries = 0; tries < TRIES && !picked.fits(actor); tries++) picked = actor.dice.pick(HAT)
  return picked
}
