import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { canonicalJson, isObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Sql } from '../../db/sql.ts'
import { joinedRooms } from '../../store/memberships.ts'
import { deleteProfileField, profileOf, setProfileField } from '../../store/profiles.ts'
import { findByName, findNoMoreByName } from '../../store/user-directory.ts'
import { append } from '../append.ts'
import { memberProfile } from '../memberships/change-membership.ts'
import { write } from '../write.ts'

/** Of the whole profile as canonical JSON, and of one field's name. */
const MAX_PROFILE_BYTES = 65_536
const MAX_KEY_BYTES = 255
const MAX_DISPLAYNAME_LENGTH = 256
const MAX_AVATAR_URL_LENGTH = 1_000

/**
 * Sets or, with undefined, removes a field of a local user's profile; rooms are told of a new name or avatar.
 * Errors: M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE, M_BAD_JSON, M_TOO_LARGE.
 */
export async function setProfile(app: App, userId: UserId, key: string, value: JsonValue | undefined): Promise<void> {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new MatrixError('M_KEY_TOO_LARGE', 'The field’s name is too long.')
  checkNamed(key, value)
  const before = await profileOf(app.db, userId)
  if (value !== undefined && Buffer.byteLength(canonicalJson({ ...before, [key]: value })) > MAX_PROFILE_BYTES) {
    throw new MatrixError('M_PROFILE_TOO_LARGE', `A profile has at most ${MAX_PROFILE_BYTES} bytes.`)
  }
  const change =
    value === undefined ? deleteProfileField(userId, key) : setProfileField(userId, key, canonicalJson(value))
  const renaming = key === 'displayname' ? renamed(userId, own(before, key), value) : []
  await write(app, {
    guards: [],
    writes: [change, ...renaming],
    log: [{ kind: 'profile', user: userId, subject: key }],
  })
  if (key === 'displayname' || key === 'avatar_url') await tellRooms(app, userId)
}

/** The directory finds the user by the new name. */
function renamed(userId: UserId, before: JsonValue | undefined, now: JsonValue | undefined): Sql[] {
  const gone = typeof before === 'string' ? [findNoMoreByName(userId, before)] : []
  return typeof now === 'string' ? [...gone, findByName(userId, now)] : gone
}

function checkNamed(key: string, value: JsonValue | undefined): void {
  if ((key !== 'displayname' && key !== 'avatar_url') || value === undefined || value === null) return
  if (typeof value !== 'string') throw new MatrixError('M_BAD_JSON', `${key} is a string.`)
  if (value.includes('\0')) throw new MatrixError('M_INVALID_PARAM', `${key} holds a NUL.`)
  const limit = key === 'displayname' ? MAX_DISPLAYNAME_LENGTH : MAX_AVATAR_URL_LENGTH
  if (value.length > limit) throw new MatrixError('M_TOO_LARGE', `${key} has at most ${limit} characters.`, {}, 400)
}

/** Each joined room gets a new member event; a room that refuses does not keep the others from it. */
async function tellRooms(app: App, userId: UserId): Promise<void> {
  const profile = await memberProfile(app, userId)
  for (const { room_id: roomId } of await joinedRooms(app.db, userId)) {
    try {
      await append(app, roomId, async (writer) => {
        const current = (await writer.state('m.room.member', userId))?.value.content
        if (current === undefined || !isObject(current) || current.membership !== 'join') return
        const { displayname: _name, avatar_url: _avatar, join_authorised_via_users_server: _via, ...rest } = current
        await writer.add({ type: 'm.room.member', stateKey: userId, sender: userId, content: { ...rest, ...profile } })
      })
    } catch (error) {
      app.log.warn({ err: error, room: roomId }, 'a room did not take the new profile')
    }
  }
}
