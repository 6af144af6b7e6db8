import { describe, expect, test } from 'vitest'
import { authoriseSigned } from '../../../src/core/auth/signed.ts'
import { ROOM_VERSIONS } from '../../../src/core/room-version.ts'
import { CREATOR, MEMBER, MOD, roomOf, STRANGER } from './scene.ts'

const VERSIONS = [...ROOM_VERSIONS.values()]
const OLD = VERSIONS.filter(({ redactionInAuth }) => redactionInAuth)

describe.each(OLD)('room version $id', (version) => {
  const room = roomOf(version)
  const redaction = (by: string, id: string, redacts: string, levels = {}) =>
    room.judge({ by, type: 'm.room.redaction', id, redacts }, { levels: { users: room.granted(), ...levels } })

  test('compares the servers that made the ids of redaction and target, whoever sent them', () => {
    // Whoever makes up the id of an event at another server redacts that server's events.
    expect(redaction(MEMBER, '$redaction:a', '$target:a').allowed).toBe(true)
    expect(redaction(MEMBER, '$redaction:b', '$target:a')).toMatchObject({ allowed: false, rule: '11.3' })
    // A name with a port is another server.
    expect(redaction(MEMBER, '$redaction:a', '$target:a:8448').allowed).toBe(false)
    expect(redaction(MEMBER, '$redaction:a:8448', '$target:a:8448').allowed).toBe(true)
  })

  test('asks for the level of the type first, as for any event', () => {
    const levels = { events: { 'm.room.redaction': 50 }, redact: 0 }
    expect(redaction(MEMBER, '$redaction:a', '$target:a', levels)).toMatchObject({ allowed: false, rule: '8' })
    expect(redaction(MOD, '$redaction:a', '$target:z', levels).allowed).toBe(true)
  })
})

test('who redacts what is decided elsewhere from version 3 on', () => {
  for (const version of VERSIONS.filter(({ redactionInAuth }) => !redactionInAuth)) {
    const levels = { redact: 100 }
    const verdict = roomOf(version).judge({ by: MEMBER, type: 'm.room.redaction', redacts: '$target' }, { levels })
    expect(verdict.allowed).toBe(true)
  }
})

test('aliases take neither membership nor level up to version 5, and both later', () => {
  for (const version of VERSIONS) {
    const verdict = roomOf(version).judge({ by: STRANGER, type: 'm.room.aliases', key: 'c' })
    expect(verdict.allowed).toBe(version.specialAliases)
    if (!version.specialAliases) expect(verdict).toMatchObject({ reason: 'the sender is not in the room' })
  }
})

test('nobody vouches before version 8, and the name is content like any other', () => {
  for (const version of VERSIONS.filter(({ restricted }) => !restricted)) {
    const room = roomOf(version)
    const content = { membership: 'join', join_authorised_via_users_server: '@nobody:elsewhere' }
    const event = room.event({ by: MEMBER, type: 'm.room.member', key: MEMBER, content })
    expect(authoriseSigned(version, event, new Set()).allowed).toBe(true)
  }
})

test('the levels of creators: 100 without levels, as listed with them, and without a limit in version 12', () => {
  for (const version of VERSIONS) {
    const room = roomOf(version)
    const topic = { by: CREATOR, type: 'm.room.topic', key: '' }
    const taking = (state_default: number) => room.judge(topic, { levels: { state_default } }).allowed
    expect(room.judge(topic, { levels: null }).allowed).toBe(true)
    expect(taking(0)).toBe(true)
    expect(taking(1)).toBe(version.privilegedCreators)
    // Who is named as the creator is one up to version 10, and the sender of the create event is one later.
    const create = { ...room.created(), creator: MEMBER }
    const byMember = room.judge({ ...topic, by: MEMBER }, { create, levels: null }).allowed
    expect(byMember).toBe(!version.creatorIsSender)
    expect(room.judge(topic, { create, levels: null }).allowed).toBe(version.creatorIsSender)
  }
})

test('huge levels are told apart up to version 9', () => {
  for (const version of VERSIONS.filter(({ integerLevels }) => !integerLevels)) {
    const room = roomOf(version)
    const users = { [CREATOR]: '9007199254740993', [MOD]: '9007199254740992' }
    const ban = (by: string, target: string) => room.judgeMember(by, target, 'ban', { levels: { users } }).allowed
    expect(ban(CREATOR, MOD)).toBe(true)
    expect(ban(MOD, CREATOR)).toBe(false)
    expect(room.judgeLevels({ users: { ...users, [MEMBER]: '9007199254740993' } }, { users })).toMatchObject({
      reason: `the new level of ${MEMBER} would be above the sender’s`,
    })
    expect(room.judgeLevels({ users: { ...users, [MEMBER]: '9007199254740992' } }, { users }).allowed).toBe(true)
  }
})
