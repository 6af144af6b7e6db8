import type { App } from '../../app.ts'
import type { RoomId, UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { creatorsOf } from '../../core/power-levels.ts'
import {
  closingLevels,
  TRANSFERRED,
  transferredCreateContent,
  transferredJoinRules,
  transferredLevels,
  withPower,
} from '../../core/room-upgrade.ts'
import { type RoomVersion, roomVersion } from '../../core/room-version.ts'
import { moveAliases, publishRoom, roomById, roomSummary } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { addTransfers, PER_BATCH, type Transfer, transfersOf } from '../media/room-transfers.ts'
import { memberProfile } from '../memberships/change-membership.ts'
import { beginRoom } from './begin-room.ts'
import { carryOver } from './carry-over.ts'
import { newRoomId } from './create-room.ts'
import { maySendState } from './may-send.ts'
import { emptyTip, type RoomWriter } from './room-writer.ts'
import { textOf } from './state-consequences.ts'

export interface UpgradeWish {
  readonly roomId: string
  readonly sender: UserId
  readonly version: string
  /** Beside the sender; for versions that have them. */
  readonly additionalCreators: readonly string[]
}

/**
 * Replaces a room by a new one of the version wanted: in one batch the new room gets the state, the bans, the aliases
 * and the place in the directory of the old one, and the old one ends with a tombstone. Resolves with the new room's
 * id. Errors: M_UNSUPPORTED_ROOM_VERSION, M_NOT_FOUND, M_FORBIDDEN.
 */
export async function upgradeRoom(app: App, wish: UpgradeWish): Promise<RoomId> {
  const version = roomVersion(wish.version)
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Room version ${wish.version} is not supported.`)
  const old = await roomSummary(app.db, wish.roomId)
  if (old === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const profile = await memberProfile(app, wish.sender)
  const room = await app.db.nextId('room')
  let transfers: readonly Transfer[] = []
  let replacement = version.roomIdIsCreateHash ? undefined : newRoomId(app)
  const replace = async (writer: RoomWriter) => {
    if (!(await maySendState(writer, wish.sender, 'm.room.tombstone')))
      throw new MatrixError('M_FORBIDDEN', 'Only who may end the room upgrades it.')
    const earlier = await upgradedBefore(app, writer, wish)
    if (earlier !== undefined) {
      replacement = earlier
      transfers = []
      return
    }
    const next = writer.beside(emptyTip(room, version, version.roomIdIsCreateHash ? undefined : replacement))
    replacement = await begin(app, writer, next, wish)
    await next.add(stateEvent(wish.sender, 'm.room.member', { ...profile, membership: 'join' }, wish.sender))
    transfers = await transfersOf(app, old)
    await addState(writer, next, wish, () => addTransfers(app, next, wish.sender, transfers.slice(0, PER_BATCH)))
    await moveAlias(writer, next, wish.sender)
    await close(writer, wish.sender)
    const published = old.published === 1 ? [publishRoom(old.room, false), publishRoom(room, true)] : []
    writer.also({ writes: [moveAliases(old.room, room), ...published], log: [{ kind: 'directory' }] })
  }
  // Bans and the like are read from the database: all that was written before has to stand there.
  await append(app, wish.roomId, replace, { settled: true })
  for (let from = PER_BATCH; from < transfers.length; from += PER_BATCH) {
    const some = transfers.slice(from, from + PER_BATCH)
    await append(app, replacement!, (writer) => addTransfers(app, writer, wish.sender, some))
  }
  await carryOver(app, wish.sender, replacement!)
  return replacement!
}

/** The same wish, fulfilled already: a client that lost the answer asks again, and gets no second room. */
async function upgradedBefore(app: App, writer: RoomWriter, wish: UpgradeWish): Promise<RoomId | undefined> {
  const tombstone = (await writer.state('m.room.tombstone', ''))?.value
  if (tombstone?.sender !== wish.sender) return undefined
  const replacement = await roomById(app.db, textOf(tombstone.content, 'replacement_room') ?? '')
  return replacement?.version === wish.version ? replacement.room_id : undefined
}

/**
 * The end of the old room and the beginning of the new one, which name each other; where the new room's id follows from
 * its first event, that cannot name the last one of the old room.
 */
async function begin(app: App, writer: RoomWriter, next: RoomWriter, wish: UpgradeWish): Promise<RoomId> {
  const { version, roomId } = next.tip()
  const create = (await writer.state('m.room.create', ''))!.value
  const content = transferredCreateContent(create.content)
  const tombstone = (replacement: RoomId) =>
    writer.add(
      stateEvent(wish.sender, 'm.room.tombstone', {
        body: 'This room has been replaced.',
        replacement_room: replacement,
      }),
    )
  if (!version.roomIdIsCreateHash) {
    const { eventId } = await tombstone(roomId)
    const predecessor = { room_id: wish.roomId, event_id: eventId }
    const creator = version.creatorIsSender ? {} : { creator: wish.sender }
    return beginRoom(app, next, wish.sender, { ...content, ...creator, room_version: version.id, predecessor })
  }
  const others = othersOf(wish, version)
  const additional = others.length === 0 ? {} : { additional_creators: others }
  const predecessor = { room_id: wish.roomId }
  const begun = { ...content, ...additional, room_version: version.id, predecessor }
  const replacement = await beginRoom(app, next, wish.sender, begun)
  await tombstone(replacement)
  return replacement
}

function othersOf(wish: UpgradeWish, version: RoomVersion): string[] {
  if (!version.privilegedCreators) return []
  return [...new Set(wish.additionalCreators)].filter((user) => user !== wish.sender)
}

/** What a room means that says nothing: the new one says it, as clients expect of a replacement. */
const UNSAID: ReadonlyMap<string, JsonObject> = new Map([['m.room.guest_access', { guest_access: 'forbidden' }]])

/** The state of the new room; `transfer` runs while who upgrades has the power that all of it takes. */
async function addState(
  writer: RoomWriter,
  next: RoomWriter,
  wish: UpgradeWish,
  transfer: () => Promise<void>,
): Promise<void> {
  const { sender } = wish
  const { version: from } = writer.tip()
  const { version: to } = next.tip()
  const create = (await writer.state('m.room.create', ''))!.value
  const levels = transferredLevels({
    from,
    to,
    content: (await writer.state('m.room.power_levels', ''))?.value.content,
    oldCreators: creatorsOf(from, create),
    newCreators: [sender, ...othersOf(wish, to)],
  })
  const raised = withPower(to, levels, sender)
  await next.add(stateEvent(sender, 'm.room.power_levels', raised))
  for (const type of TRANSFERRED) {
    const content = (await writer.state(type, ''))?.value.content ?? UNSAID.get(type)
    if (content === undefined) continue
    const fitting = type === 'm.room.join_rules' ? transferredJoinRules(to, content) : content
    await next.add(stateEvent(sender, type, fitting))
  }
  await transfer()
  if (raised !== levels) await next.add(stateEvent(sender, 'm.room.power_levels', levels))
}

/** The list of aliases moves with them, if who upgrades may change it in both rooms. */
async function moveAlias(writer: RoomWriter, next: RoomWriter, sender: UserId): Promise<void> {
  const type = 'm.room.canonical_alias'
  const content = (await writer.state(type, ''))?.value.content
  if (content === undefined || Object.keys(content).length === 0) return
  if (await maySendState(next, sender, type)) await next.add(stateEvent(sender, type, content))
  if (await maySendState(writer, sender, type)) await writer.add(stateEvent(sender, type, {}))
}

/** Nobody is to write in the old room any more, if who upgrades may say so. */
async function close(writer: RoomWriter, sender: UserId): Promise<void> {
  const type = 'm.room.power_levels'
  const content = (await writer.state(type, ''))?.value.content
  if (content === undefined || !(await maySendState(writer, sender, type))) return
  try {
    await writer.add(stateEvent(sender, type, closingLevels(content)))
  } catch (error) {
    // Levels above one's own are not changed.
    if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
  }
}

function stateEvent(sender: UserId, type: string, content: JsonObject, stateKey = '') {
  return { type, stateKey, sender, content }
}
