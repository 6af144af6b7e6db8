import { createHash } from 'node:crypto'
import { ConfigError } from '../config/load.ts'
import type { NamespaceRule, Registration } from '../config/registration.ts'
import { userId as makeUserId, type ServerName, serverNameOf, type UserId } from '../core/ids.ts'
import { exactly, type Namespace, namespaceCompiler, overlap } from './namespace.ts'

/** A bridge or a bot with namespaces of its own (Application Service API). */
export interface Appservice {
  readonly id: string
  /** Where it is asked and told; undefined: it wants to hear nothing. */
  readonly url: string | undefined
  /** What we show it. */
  readonly hsToken: string
  /** The user in whose name it speaks when it names none. */
  readonly senderId: UserId
  readonly protocols: readonly string[]
  /** Whether its ghosts are held to the limits of users. */
  readonly rateLimited: boolean
  /** Application Service API, "Pushing ephemeral data"; with it, messages to devices. */
  readonly receiveEphemeral: boolean
  /** It wants device lists and counts of one-time keys (MSC3202). */
  readonly encryption: boolean
  /** Whether a local user is in its namespace, or its sender. */
  hasUser(userId: string): boolean
  hasAlias(alias: string): boolean
  hasRoom(roomId: string): boolean
}

export interface Appservices {
  readonly all: readonly Appservice[]
  byId(id: string): Appservice | undefined
  /** By the SHA-256 of what it shows us. */
  byTokenHash(hash: Uint8Array): Appservice | undefined
  /** Who alone may have users or aliases of that name; undefined: whoever comes. */
  ownerOfUser(userId: string): Appservice | undefined
  ownerOfAlias(alias: string): Appservice | undefined
}

/** The name by which clients ask for the rooms of a network (`third_party_instance_id`): no two have the same. */
export function networkInstance({ id }: Pick<Appservice, 'id'>, networkId: string): string {
  return `${id}|${networkId}`
}

interface Registered {
  readonly appservice: Appservice
  readonly registration: Registration
  readonly users: readonly Namespace[]
  readonly aliases: readonly Namespace[]
}

/**
 * The application services of the registrations. Errors: ConfigError with the name of the file, for two that have one
 * id or token, or both want a namespace for themselves, and for expressions that RE2 does not know.
 */
export async function createAppservices(
  registrations: readonly Registration[],
  serverName: ServerName,
): Promise<Appservices> {
  const compile = registrations.length === 0 ? undefined : await namespaceCompiler()
  const registered = registrations.map((one) => register(one, serverName, compile!))
  for (const [index, one] of registered.entries())
    for (const other of registered.slice(0, index)) checkApart(one, other)
  const byId = new Map(registered.map(({ appservice }) => [appservice.id, appservice]))
  const byHash = new Map(
    registered.map(({ appservice, registration }) => [
      createHash('sha256').update(registration.as_token).digest('hex'),
      appservice,
    ]),
  )
  return {
    all: registered.map(({ appservice }) => appservice),
    byId: (id) => byId.get(id),
    byTokenHash: (hash) => (byHash.size === 0 ? undefined : byHash.get(Buffer.from(hash).toString('hex'))),
    ownerOfUser: (userId) => (serverNameOf(userId) === serverName ? ownerOf(registered, 'users', userId) : undefined),
    ownerOfAlias: (alias) => ownerOf(registered, 'aliases', alias),
  }
}

function ownerOf(registered: readonly Registered[], kind: 'users' | 'aliases', id: string): Appservice | undefined {
  return registered.find((one) => one[kind].some(({ exclusive, has }) => exclusive && has(id)))?.appservice
}

type Compile = Awaited<ReturnType<typeof namespaceCompiler>>

function register(registration: Registration, serverName: ServerName, compile: Compile): Registered {
  const { id, url, namespaces, sender_localpart: sender, file } = registration
  const senderId = makeUserId(sender, serverName)
  // The sender is a namespace with one user in it, as in the Go Dendrite.
  const users = compileAll([...namespaces.users, { exclusive: true, regex: exactly(senderId) }], 'users')
  const aliases = compileAll(namespaces.aliases, 'aliases')
  const rooms = compileAll(namespaces.rooms, 'rooms')
  const appservice: Appservice = {
    id,
    url: url?.replace(/\/+$/, ''),
    hsToken: registration.hs_token,
    senderId,
    protocols: registration.protocols,
    rateLimited: registration.rate_limited,
    receiveEphemeral: registration.receive_ephemeral,
    encryption: registration['org.matrix.msc3202'],
    hasUser: (userId) => serverNameOf(userId) === serverName && users.some(({ has }) => has(userId)),
    hasAlias: (alias) => aliases.some(({ has }) => has(alias)),
    hasRoom: (roomId) => rooms.some(({ has }) => has(roomId)),
  }
  return { appservice, registration, users, aliases }

  function compileAll(rules: readonly NamespaceRule[], kind: string): Namespace[] {
    return rules.map((rule) => {
      try {
        return compile(rule)
      } catch (error) {
        throw new ConfigError(file, [`namespaces.${kind}: ${rule.regex}: ${(error as Error).message}`])
      }
    })
  }
}

/** Errors: ConfigError. */
function checkApart(one: Registered, other: Registered): void {
  const { registration } = one
  const { file } = other.registration
  const faults: string[] = []
  if (registration.id === other.registration.id) faults.push(`id ${registration.id} is that of ${file} too`)
  if (registration.as_token === other.registration.as_token) faults.push(`as_token is that of ${file} too`)
  for (const kind of ['users', 'aliases'] as const)
    for (const mine of one[kind])
      for (const theirs of other[kind])
        if (mine.exclusive && theirs.exclusive && overlap(mine, theirs))
          faults.push(
            `namespaces.${kind}: ${mine.regex} overlaps with ${theirs.regex} in ${file}, and both are exclusive`,
          )
  if (faults.length > 0) throw new ConfigError(registration.file, faults)
}
