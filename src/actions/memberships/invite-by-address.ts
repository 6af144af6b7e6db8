import { createHash } from 'node:crypto'
import type { App } from '../../app.ts'
import { isHistoricalUserId, type ServerName, type UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, own } from '../../core/json.ts'
import { asMatrixError } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { profileOf } from '../../store/profiles.ts'
import { currentContent } from '../../store/state.ts'
import type { Threepid } from '../../store/threepids.ts'
import { askIdentityServer } from '../accounts/ask-identity-server.ts'
import { sendState } from '../rooms/send-state.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { changeMembership } from './change-membership.ts'
import { checkMayInvite } from './check-may-invite.ts'

export interface InviteByAddress extends Threepid {
  readonly roomId: string
  readonly sender: UserId
  readonly idServer: string
  /** The sender's token at the identity server. */
  readonly token: string
  /** More of the member event, where the user is known. */
  readonly content?: JsonObject
}

/** What the identity server says of an invite is text of a stranger, which becomes an event. */
const TEXT_LENGTH_MAX = 1_024
const KEYS_MAX = 10

/**
 * Client-Server API, "Third-party invites": invites the user whom an identity server knows by the address; where it
 * knows nobody, it keeps the invite, and the room gets an `m.room.third_party_invite`. Errors: those of inviting,
 * M_SERVER_NOT_TRUSTED, and the identity server's.
 */
export async function inviteByAddress(app: App, invite: InviteByAddress): Promise<void> {
  const { roomId, sender, idServer } = invite
  // Before a letter is sent to somebody.
  await checkMayInvite(app, roomId, sender)
  const step = <T>(work: Promise<T>) =>
    work.catch((error: unknown) => {
      throw asMatrixError(idServer as ServerName, error)
    })
  const target = await step(userAt(app, invite))
  if (target !== undefined) {
    await changeMembership(app, { roomId, sender, target, membership: 'invite', content: invite.content })
    return
  }
  const { token, content } = await step(store(app, invite))
  await sendState(app, { roomId, sender, guest: false, type: 'm.room.third_party_invite', stateKey: token, content })
}

/** Identity Service API, "Association lookup". The address is told as a hash, where the server takes one. */
async function userAt(app: App, { idServer, token, medium, address }: InviteByAddress): Promise<UserId | undefined> {
  const details = await askIdentityServer(app, idServer, { method: 'GET', path: '/hash_details', token })
  const pepper = textOf(details, 'lookup_pepper') ?? ''
  const algorithms = own(details, 'algorithms')
  const hashed = Array.isArray(algorithms) && algorithms.includes('sha256')
  const key = hashed
    ? createHash('sha256').update(`${address} ${medium} ${pepper}`).digest('base64url')
    : `${address} ${medium}`
  const content = { algorithm: hashed ? 'sha256' : 'none', pepper, addresses: [key] }
  const answer = await askIdentityServer(app, idServer, { method: 'POST', path: '/lookup', content, token })
  const mappings = own(answer, 'mappings')
  const userId = isObject(mappings) ? own(mappings, key) : undefined
  return typeof userId === 'string' && isHistoricalUserId(userId) ? userId : undefined
}

/** Identity Service API, "Invitation storage": its server writes to the address, and gives us what proves it later. */
async function store(app: App, invite: InviteByAddress): Promise<{ token: string; content: JsonObject }> {
  const { roomId, sender, medium, address, idServer, token } = invite
  const content = { ...(await describe(app, roomId, sender)), medium, address, room_id: roomId, sender }
  const answer = await askIdentityServer(app, idServer, { method: 'POST', path: '/store-invite', content, token })
  const listed = own(answer, 'public_keys')
  const keys = (Array.isArray(listed) ? listed : []).slice(0, KEYS_MAX).filter(isObject).map(publicKey)
  const [first] = keys
  const stored = textOf(answer, 'token')
  const displayName = textOf(answer, 'display_name')
  if (stored === undefined || !/^[0-9a-zA-Z.=_-]{1,255}$/.test(stored) || displayName === undefined || !first)
    throw new Unreachable(`${idServer} answers with something else than a stored invite`)
  const event = { display_name: displayName.slice(0, TEXT_LENGTH_MAX), ...first, public_keys: keys }
  return { token: stored, content: event }
}

function publicKey(key: JsonObject): JsonObject {
  const texts = ['public_key', 'key_validity_url'].map((name) => [name, textOf(key, name)?.slice(0, TEXT_LENGTH_MAX)])
  return Object.fromEntries(texts.filter(([, text]) => text !== undefined))
}

const ROOM_TEXTS = [
  ['room_name', 'm.room.name', 'name'],
  ['room_alias', 'm.room.canonical_alias', 'alias'],
  ['room_avatar_url', 'm.room.avatar', 'url'],
  ['room_join_rules', 'm.room.join_rules', 'join_rule'],
  ['room_type', 'm.room.create', 'type'],
] as const

/** What the letter may tell of the room and of who invites. */
async function describe(app: App, roomId: string, sender: UserId): Promise<JsonObject> {
  const profile = await profileOf(app.db, sender)
  const known: Record<string, string> = {}
  const note = (name: string, text: string | undefined) => {
    if (text !== undefined) known[name] = text
  }
  for (const [name, type, key] of ROOM_TEXTS) note(name, textOf(await currentContent(app.db, roomId, type, ''), key))
  note('sender_display_name', textOf(profile, 'displayname'))
  note('sender_avatar_url', textOf(profile, 'avatar_url'))
  return known
}
