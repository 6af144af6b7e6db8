import type { App } from '../../app.ts'
import { signingKeyOf } from '../../core/auth/third-party-invite.ts'
import { serverNameOf, type UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { askServer, asMatrixError, federationPath } from '../../remote/ask-server.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { roomById } from '../../store/rooms.ts'
import { currentContent } from '../../store/state.ts'
import { append } from '../append.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { checkInvitePermission } from './change-membership.ts'
import { inviteRemoteUser } from './invite-remote-user.ts'

const KEY_TIMEOUT_MS = 10_000
const KEY_ANSWER_BYTES_MAX = 16_384

/** An invite to an address, redeemed by the user to whom the address turned out to belong. */
export interface RedeemedInvite {
  readonly roomId: string
  /** Who invited the address. */
  readonly sender: UserId
  readonly target: UserId
  /** What the identity server signed: `mxid`, `token`, `signatures`. */
  readonly signed: JsonObject
}

/**
 * Turns an invite to an address into one of a user (Server-Server API, "Third-party invites"): in the room, or by way
 * of the server of who invited where this one is not in it. Errors: M_FORBIDDEN by the room's rules, which check the
 * signature of the identity server, and when that does not stand by its key any more; M_NOT_FOUND; M_INVITE_BLOCKED;
 * those of `inviteRemoteUser`.
 */
export async function redeemInvite(app: App, invite: RedeemedInvite): Promise<void> {
  const room = await roomById(app.db, invite.roomId)
  if (room !== undefined && (await serverIsIn(app.db, room.room, app.serverName))) return issue(app, invite)
  const server = serverNameOf(invite.sender)
  if (server === app.serverName) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const { roomId, sender, target } = invite
  const member = { type: 'm.room.member', room_id: roomId, sender, state_key: target }
  const content = { ...member, content: contentOf(invite, target) }
  const uri = federationPath`/v1/exchange_third_party_invite/${roomId}`
  await askServer(app, server, { method: 'PUT', uri, content }).catch((error: unknown) => {
    throw asMatrixError(server, error)
  })
}

/** The invite as an event of the room: of a user of another server once that has signed it. */
async function issue(app: App, invite: RedeemedInvite): Promise<void> {
  const { roomId, sender, target } = invite
  if (serverNameOf(sender) !== app.serverName)
    throw new MatrixError('M_FORBIDDEN', `The invite is for ${serverNameOf(sender)} to redeem.`)
  // The name under which the room knows the address, which need not be the address.
  const pending = await currentContent(app.db, roomId, 'm.room.third_party_invite', tokenOf(invite))
  if (pending === undefined) throw new MatrixError('M_FORBIDDEN', 'The room has no such invite.')
  await checkKey(app, pending, invite.signed)
  const content = contentOf(invite, textOf(pending, 'display_name') ?? target)
  if (serverNameOf(target) !== app.serverName) {
    await checkOutside(app, roomId, target)
    await inviteRemoteUser(app, { roomId, sender, target, content })
    return
  }
  await checkInvitePermission(app, target)
  await append(app, roomId, async (writer) => {
    const current = (await writer.state('m.room.member', target))?.value.content
    const membership = textOf(current, 'membership')
    if (membership === 'join' || membership === 'invite') return
    await writer.add({ type: 'm.room.member', stateKey: target, sender, content })
  })
}

/** Of the servers in a room, the one that issues the invite asks whether the key was revoked. Errors: M_FORBIDDEN. */
async function checkKey(app: App, pending: JsonObject, signed: JsonObject): Promise<void> {
  const key = signingKeyOf(signed, pending)
  const listed = own(pending, 'public_keys')
  const entries = [...(Array.isArray(listed) ? listed : []), pending].filter(isObject)
  const validity = textOf(
    entries.find((entry) => own(entry, 'public_key') === key),
    'key_validity_url',
  )
  // A key without such a place is good for ever. What no key has signed, the rules of the room refuse.
  if (key === undefined || validity === undefined) return
  const url = URL.canParse(validity) ? new URL(validity) : undefined
  const valid = url?.protocol === 'https:' && (await isValid(app, url, key).catch(() => false))
  if (!valid) throw new MatrixError('M_FORBIDDEN', 'The key of the proof was revoked, or cannot be checked.')
}

async function isValid(app: App, url: URL, key: string): Promise<boolean> {
  url.searchParams.set('public_key', key)
  const { status, body } = await app.remote.strangers.request({
    method: 'GET',
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    timeoutMs: KEY_TIMEOUT_MS,
    maxBytes: KEY_ANSWER_BYTES_MAX,
  })
  const answer = status === 200 ? parseJson(body) : undefined
  return isObject(answer) && own(answer, 'valid') === true
}

function contentOf({ signed }: RedeemedInvite, displayName: string): JsonObject {
  return { membership: 'invite', third_party_invite: { display_name: displayName, signed } }
}

/** The rules of rooms would let the proof put who has joined back among the invited. Errors: M_FORBIDDEN. */
async function checkOutside(app: App, roomId: string, target: UserId): Promise<void> {
  const member = await currentContent(app.db, roomId, 'm.room.member', target)
  if (textOf(member, 'membership') === 'join') throw new MatrixError('M_FORBIDDEN', `${target} is in the room.`)
}

function tokenOf({ signed }: RedeemedInvite): string {
  const token = own(signed, 'token')
  return typeof token === 'string' ? token : ''
}
