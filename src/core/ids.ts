declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

export type RoomId = Branded<'RoomId'>
export type UserId = Branded<'UserId'>
export type EventId = Branded<'EventId'>
export type RoomAlias = Branded<'RoomAlias'>
export type ServerName = Branded<'ServerName'>

/** Bytes of UTF-8 in an id, its sigil included (Appendices, "Identifier Grammar"). */
export const ID_BYTES_MAX = 255

const LOCALPART = /^[a-z0-9._=/+-]+$/
const HISTORICAL_LOCALPART = /^[^:\0\p{Surrogate}]*$/u
const OPAQUE = /^[^\0\p{Surrogate}]+$/u
const DNS_NAME_OR_IPV4 = /^[A-Za-z0-9.-]{1,255}$/
const IPV6 = /^\[[0-9A-Fa-f:.]{2,45}\]$/
const PORT = /^[0-9]{1,5}$/
const DOTTED_NUMBERS = /^[0-9]+(?:\.[0-9]+){3}$/
const PORT_MAX = 65_535

/** What stands after the first colon: '' for ids without a server, as rooms of version 12 have. */
export function serverNameOf(id: string): ServerName {
  const colon = id.indexOf(':')
  return (colon < 0 ? '' : id.slice(colon + 1)) as ServerName
}

/** What stands between the sigil and the first colon. */
export function localpartOf(id: string): string {
  const colon = id.indexOf(':')
  return id.slice(1, colon < 0 ? undefined : colon)
}

/** The id of the create event that a room of version 12 is named after. */
export function createEventIdOf(roomId: string): EventId {
  return `$${roomId.slice(1)}` as EventId
}

export function userId(localpart: string, serverName: ServerName): UserId {
  return `@${localpart}:${serverName}` as UserId
}

/** Whether the id follows the grammar of new accounts. */
export function isValidUserId(id: string): id is UserId {
  return isHistoricalUserId(id) && LOCALPART.test(localpartOf(id))
}

/** Whether there can be such a user: of this server by today's grammar, of others by any that ever was. */
export function mayBeUser(id: string, ourName: ServerName): id is UserId {
  return serverNameOf(id) === ourName ? isValidUserId(id) : isHistoricalUserId(id)
}

/** Whether events may bear the user id: the localpart may be anything but a colon and NUL, even empty. */
export function isHistoricalUserId(id: string): id is UserId {
  return id.startsWith('@') && HISTORICAL_LOCALPART.test(localpartOf(id)) && endsInServerName(id)
}

/** Whether it is the id of a room with a server name, or (room version 12) the hash of a create event. */
export function isRoomId(id: string): id is RoomId {
  return id.startsWith('!') && fits(id) && OPAQUE.test(id.slice(1)) && (!id.includes(':') || endsInServerName(id))
}

export function isRoomAlias(id: string): id is RoomAlias {
  return id.startsWith('#') && HISTORICAL_LOCALPART.test(localpartOf(id)) && endsInServerName(id)
}

/** Whether it is an event id of any room version. */
export function isEventId(id: string): id is EventId {
  return id.startsWith('$') && fits(id) && OPAQUE.test(id.slice(1))
}

/** Appendices, "Server Name": a host name, an IPv4 address or an IPv6 address in brackets, and perhaps a port. */
export function isServerName(name: string): name is ServerName {
  if (name.length > ID_BYTES_MAX) return false
  const hostEnd = name.startsWith('[') ? name.indexOf(']') + 1 : name.indexOf(':')
  const host = hostEnd < 0 ? name : name.slice(0, hostEnd)
  const rest = name.slice(host.length)
  if (rest !== '' && !(rest.startsWith(':') && PORT.test(rest.slice(1)) && Number(rest.slice(1)) <= PORT_MAX)) {
    return false
  }
  if (host.startsWith('[')) return IPV6.test(host)
  if (!DNS_NAME_OR_IPV4.test(host)) return false
  return !DOTTED_NUMBERS.test(host) || host.split('.').every((part) => part.length <= 3 && Number(part) <= 255)
}

/** Appendices, "Mapping from other character sets": a localpart for a name of another service. */
export function localpartFrom(name: string): string {
  const lower = name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  const encoded = [...Buffer.from(lower)].map((byte) => {
    const letter = String.fromCharCode(byte)
    return LOCALPART.test(letter) && letter !== '=' ? letter : `=${byte.toString(16).padStart(2, '0')}`
  })
  return encoded.join('')
}

/** Why an account may not have this localpart; undefined when it may. Says nothing about length. */
export function localpartFault(localpart: string): string | undefined {
  if (localpart === '') return 'The user name is empty'
  if (!LOCALPART.test(localpart)) return "A user name has only the characters a-z, 0-9 and '.', '_', '=', '/', '+', '-'"
  return undefined
}

function endsInServerName(id: string): boolean {
  return fits(id) && isServerName(serverNameOf(id))
}

function fits(id: string): boolean {
  // No unit of UTF-16 needs more than three bytes, so that most ids need not be counted.
  return id.length * 3 <= ID_BYTES_MAX || Buffer.byteLength(id) <= ID_BYTES_MAX
}
