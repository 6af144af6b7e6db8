import { canonicalJson, type JsonObject, type JsonValue } from '../../../src/core/json.ts'
import { signingKeyFromSeed } from '../../../src/core/keys.ts'
import { signJson } from '../../../src/core/sign.ts'
import { BANNED, CREATOR, MEMBER, MOD, type Room, type RuleCase, STRANGER } from './scene.ts'

const KEY = signingKeyFromSeed('ed25519:0', new Uint8Array(32).fill(7))
const OTHER_KEY = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(8))

/** The rules of invites that redeem an `m.room.third_party_invite`. */
export const THIRD_PARTY_INVITE_CASES: readonly RuleCase[] = [
  {
    rule: 'member.invite.third_party.banned',
    reason: 'banned',
    accepted: (room) => [redeem(room, STRANGER)],
    rejected: (room) => [redeem(room, BANNED)],
  },
  {
    rule: 'member.invite.third_party.signed',
    reason: 'no signed block',
    accepted: (room) => [redeem(room, STRANGER)],
    rejected: (room) => [null, 'x', [], {}, { signed: null }, { signed: 'x' }].map((block) => redeemBlock(room, block)),
  },
  {
    rule: 'member.invite.third_party.properties',
    reason: 'no mxid or no token',
    accepted: (room) => [redeem(room, STRANGER)],
    rejected: (room) =>
      [{}, { mxid: STRANGER }, { token: 'token' }, { mxid: 1, token: 'token' }, { mxid: STRANGER, token: null }].map(
        (signed) => redeemBlock(room, { signed }),
      ),
  },
  {
    rule: 'member.invite.third_party.mxid',
    reason: 'of another user',
    accepted: (room) => [redeem(room, STRANGER)],
    rejected: (room) => [redeem(room, STRANGER, { mxid: MEMBER })],
  },
  {
    rule: 'member.invite.third_party.token',
    reason: 'no such third-party invite',
    accepted: (room) => [redeem(room, STRANGER)],
    rejected: (room) => [redeem(room, STRANGER, { token: 'other' }), redeem(room, STRANGER, { token: '' })],
  },
  {
    rule: 'member.invite.third_party.sender',
    reason: 'another user made',
    accepted: (room) => [redeem(room, STRANGER)],
    rejected: (room) => [redeem(room, STRANGER, {}, { by: CREATOR })],
  },
  {
    rule: 'member.invite.third_party.signature.public_key',
    reason: 'no signature is by a key',
    refusedBy: 'member.invite.third_party.otherwise',
    // Neither the level of the sender nor that the target is in the room counts then.
    accepted: (room) => [
      redeem(room, STRANGER),
      redeem(room, MEMBER),
      redeem(room, STRANGER, {}, { levelOfInvite: 99 }),
    ],
    rejected: (room) => [redeem(room, STRANGER, {}, { keys: { public_key: OTHER_KEY.publicKey } })],
  },
  {
    rule: 'member.invite.third_party.signature.public_keys',
    reason: 'no signature is by a key',
    refusedBy: 'member.invite.third_party.otherwise',
    accepted: (room) => [
      redeem(room, STRANGER, {}, { keys: { public_keys: [{ public_key: KEY.publicKey }] } }),
      redeem(
        room,
        STRANGER,
        {},
        { keys: { public_keys: [1, null, { public_key: 1 }, { public_key: KEY.publicKey }] } },
      ),
      redeem(
        room,
        STRANGER,
        {},
        { keys: { public_key: OTHER_KEY.publicKey, public_keys: [{ public_key: KEY.publicKey }] } },
      ),
    ],
    rejected: (room) =>
      [[], [KEY.publicKey], [{}], [{ public_key: OTHER_KEY.publicKey }], KEY.publicKey].map((list) =>
        redeem(room, STRANGER, {}, { keys: { public_keys: list } }),
      ),
  },
  {
    rule: 'member.invite.third_party.otherwise',
    reason: 'no signature is by a key',
    accepted: (room) => [
      redeem(room, STRANGER),
      redeem(
        room,
        STRANGER,
        {},
        { sign: (signed) => ({ a: null, b: { 'ed25519:0': 1 }, c: { 'ed25519:0': signed } }) },
      ),
      redeem(room, STRANGER, {}, { sign: (signed) => ({ id: { ...others(49), 'ed25519:z': signed } }) }),
    ],
    rejected: (room) => [
      redeem(room, STRANGER, {}, { keys: {} }),
      redeem(room, STRANGER, {}, { tamper: { extra: 1 } }),
      redeem(room, STRANGER, {}, { tamper: { signatures: {} } }),
      redeem(room, STRANGER, {}, { tamper: { signatures: { id: { 'rsa:0': 'AA', 'ed25519:0': 'AA' } } } }),
      ...['x', null, [1]].map((byServer) => redeem(room, STRANGER, {}, { tamper: { signatures: { id: byServer } } })),
      redeem(room, STRANGER, {}, { sign: (signed) => ({ id: { 'rsa:0': signed } }) }),
      redeem(room, STRANGER, {}, { sign: (signed) => ({ id: { 'ed25519:0': [signed] } }) }),
      // A hostile invite cannot buy more verifications than there are attempts.
      redeem(room, STRANGER, {}, { sign: (signed) => ({ id: { ...others(50), 'ed25519:z': signed } }) }),
    ],
  },
]

interface Redeeming {
  readonly by?: string
  readonly keys?: JsonObject
  /** What is changed after signing. */
  readonly tamper?: JsonObject
  readonly levelOfInvite?: number
  /** What stands as `signatures`, of the signature that holds. */
  readonly sign?: (signature: string) => JsonObject
}

/** The moderator's third-party invite under `token`, redeemed by an invite of the target. */
function redeem(room: Room, target: string, changes: JsonObject = {}, redeeming: Redeeming = {}) {
  const { by = MOD, keys = { public_key: KEY.publicKey }, tamper = {}, levelOfInvite = 0, sign } = redeeming
  const block = { mxid: target, token: 'token', ...changes }
  const signatures = sign?.(KEY.sign(canonicalJson(block)))
  const signed = { ...signJson(block, 'id.example', KEY), ...tamper, ...(signatures ? { signatures } : {}) }
  return redeemBlock(room, { signed }, target, by, keys, levelOfInvite)
}

function redeemBlock(
  room: Room,
  block: JsonValue,
  target = STRANGER,
  by = MOD,
  keys: JsonObject = { public_key: KEY.publicKey },
  levelOfInvite = 0,
) {
  const invite = room.event({ by: MOD, type: 'm.room.third_party_invite', key: 'token', content: keys })
  const levels = { users: room.granted(), invite: levelOfInvite }
  return room.judgeMember(by, target, 'invite', { more: [invite], levels }, { third_party_invite: block })
}

/** Signatures by the right key of something else. */
function others(count: number): JsonObject {
  const signature = KEY.sign('something else')
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`ed25519:${index}`, signature]))
}
