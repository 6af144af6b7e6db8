import { changeMembership, type Membership } from '../../src/actions/change-membership.ts'
import { join } from '../../src/actions/join.ts'
import { knock } from '../../src/actions/knock.ts'
import { leave } from '../../src/actions/leave.ts'
import { sendEvent } from '../../src/actions/send-event.ts'
import { sendState } from '../../src/actions/send-state.ts'
import { sendToDevice } from '../../src/actions/send-to-device.ts'
import type { App } from '../../src/app.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { Dice } from '../core/state/dice.ts'
import { ALICE, DEVICE, HONEST, HONEST_NAMES, POWER } from './base.ts'
import { DAVE } from './liar.ts'

/** Who does something, at the server that takes it. */
export interface Actor {
  readonly app: App
  readonly user: UserId
  readonly roomId: RoomId
  readonly dice: Dice
  /** Says apart what is done at the same time. */
  readonly count: number
  /** What was sent lately, by anybody honest. */
  readonly sent: readonly EventId[]
}

/** Resolves with the id of the event, or of what else can be told apart. */
type Operation = (actor: Actor) => Promise<string | undefined>

const NOBODYS = ['@amy:a.example', '@ben:b.example', '@cid:c.example', DAVE] as UserId[]
const SOMEBODYS = ['@bob:b.example', '@carol:c.example'] as UserId[]
const EVERYBODY = Object.values(HONEST).flat() as UserId[]
/** Of so many victims one is of those who carry their server. */
const RARELY = 6

const victim = ({ dice }: Actor) => dice.pick(dice.below(RARELY) === 0 ? SOMEBODYS : NOBODYS)

function member(membership: Membership, from?: readonly Membership[]): Operation {
  return (actor) => {
    const wish = { roomId: actor.roomId, sender: actor.user, target: victim(actor), membership }
    return changeMembership(actor.app, from === undefined ? wish : { ...wish, from })
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

const send: Operation = ({ app, roomId, user, count }) =>
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

/** Each as often as it stands for. */
const WEIGHTS: readonly (readonly [name: string, weight: number, operation: Operation])[] = [
  ['send', 26, send],
  ['topic', 10, state('m.room.topic', ({ count }) => ({ topic: `${count}` }))],
  ['name', 4, state('m.room.name', ({ count }) => ({ name: `${count}` }))],
  [
    'rules',
    4,
    state('m.room.join_rules', ({ dice }) => ({ join_rule: dice.pick(['public', 'public', 'invite', 'knock']) })),
  ],
  ['power', 6, changePower],
  ['kick', 6, member('leave', ['join', 'invite', 'knock'])],
  ['ban', 6, member('ban')],
  ['unban', 5, member('leave', ['ban'])],
  ['invite', 6, member('invite')],
  ['redact', 8, redact],
  ['leave', 4, leaveRoom],
  ['join', 9, (actor) => join(actor.app, own(actor), via(actor))],
  ['knock', 3, (actor) => knock(actor.app, own(actor), via(actor))],
  ['message', 8, message],
]
const HAT = WEIGHTS.flatMap(([name, weight, operation]) => Array.from({ length: weight }, () => ({ name, operation })))

export function anyOperation(dice: Dice): { readonly name: string; readonly operation: Operation } {
  return dice.pick(HAT)
}

export { send }
