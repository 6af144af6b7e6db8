import { afterAll, beforeAll } from 'vitest'
import { contentHash, eventIdOf } from '../../src/core/hash.ts'
import type { JsonObject, JsonValue } from '../../src/core/json.ts'
import type { RoomVersion } from '../../src/core/room-version.ts'
import { signPdu } from '../../src/core/sign.ts'
import { createTestNetwork, type TestNetwork } from '../helpers/federation.ts'
import type { TestServer } from '../helpers/server.ts'
import { type Session, sessionOf } from '../helpers/session.ts'

/** a is the bad peer, with a key of its own; b is the server that has to stand it. */
export interface Peers {
  network: TestNetwork
  a: TestServer
  b: TestServer
  alice: Session
  bob: Session
}

/** Two servers for all tests of a file. */
export function peers(): Peers {
  const met = {} as Peers
  beforeAll(async () => {
    const network = createTestNetwork()
    const a = await network.start('a.example')
    const b = await network.start('b.example')
    const alice = sessionOf(a, await a.register('alice'))
    const bob = sessionOf(b, await b.register('bob'))
    Object.assign(met, { network, a, b, alice, bob })
  })
  afterAll(() => met.network.stop())
  return met
}

/** The PDU with keys changed (undefined: without), hashed and signed again by the bad peer, so that it is whole. */
export function signedAgain(
  { a }: Peers,
  version: RoomVersion,
  pdu: JsonObject,
  changes: Readonly<Record<string, JsonValue | undefined>>,
): JsonObject {
  const { hashes: _hashes, signatures: _signatures, ...rest } = { ...pdu, ...changes }
  const kept = Object.entries(rest).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined)
  const unhashed = Object.fromEntries(kept)
  const hashed = { ...unhashed, hashes: { sha256: contentHash(unhashed) } }
  return signPdu(version, hashed, 'a.example', a.app.key)
}

/** The id of an event that may be malformed. */
export function idOf(version: RoomVersion, pdu: JsonObject): string {
  try {
    return eventIdOf(version, pdu)
  } catch {
    return '$none'
  }
}
