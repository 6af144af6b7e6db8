import { describe, expect, test } from 'vitest'
import { authStateKeys } from '../../../src/core/auth/select.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { ROOM_VERSIONS } from '../../../src/core/room-version.ts'

const SENDER = '@sender:a'
const OTHER = '@other:b'
const TOKEN = { third_party_invite: { signed: { token: 'abc' } } }
const VOUCHED = { join_authorised_via_users_server: '@voucher:c' }

describe.each([...ROOM_VERSIONS.values()])('the auth events of an event of room version $id', (version) => {
  const base = [
    ...(version.roomIdIsCreateHash ? [] : ['m.room.create|']),
    'm.room.power_levels|',
    `m.room.member|${SENDER}`,
  ]
  const selected = (type: string, stateKey: string | null, content: JsonObject = {}) =>
    authStateKeys(version, { type, stateKey, sender: SENDER, content }).map((pair) => pair.join('|'))
  const ofMember = (stateKey: string | null, content: JsonObject) => selected('m.room.member', stateKey, content)

  test('are none for the create event, and the first ones for any other', () => {
    expect(selected('m.room.create', '')).toEqual([])
    expect(selected('m.room.message', null, { membership: 'invite', ...TOKEN })).toEqual(base)
    expect(selected('m.room.topic', '')).toEqual(base)
  })

  test('are for members the target’s own, and the join rules for who comes in', () => {
    const target = `m.room.member|${OTHER}`
    for (const membership of ['join', 'invite', 'knock']) {
      expect(ofMember(OTHER, { membership })).toEqual([...base, target, 'm.room.join_rules|'])
      // Nobody's member event is named twice.
      expect(ofMember(SENDER, { membership })).toEqual([...base, 'm.room.join_rules|'])
    }
    for (const membership of ['leave', 'ban', 'unknown', null]) {
      expect(ofMember(OTHER, { membership, ...TOKEN, ...VOUCHED })).toEqual([...base, target])
    }
    expect(ofMember(null, { membership: 'leave' })).toEqual(base)
    // A user whose id is that of another state key is no member for it.
    expect(ofMember('', { membership: 'leave' })).toEqual([...base, 'm.room.member|'])
  })

  test('are for an invite by an address that invite', () => {
    const expected = [...base, `m.room.member|${OTHER}`, 'm.room.join_rules|']
    expect(ofMember(OTHER, { membership: 'invite', ...TOKEN })).toEqual([...expected, 'm.room.third_party_invite|abc'])
    for (const membership of ['join', 'knock']) expect(ofMember(OTHER, { membership, ...TOKEN })).toEqual(expected)
    for (const invite of [null, 'x', {}, { signed: null }, { signed: 'x' }, { signed: {} }, { signed: { token: 1 } }]) {
      expect(ofMember(OTHER, { membership: 'invite', third_party_invite: invite })).toEqual(expected)
    }
  })

  test('are for a join that somebody vouches for, where the version has such, the voucher’s', () => {
    const expected = [...base, 'm.room.join_rules|']
    const voucher = version.restricted ? ['m.room.member|@voucher:c'] : []
    expect(ofMember(SENDER, { membership: 'join', ...VOUCHED })).toEqual([...expected, ...voucher])
    for (const named of [1, null, SENDER]) {
      const content = { membership: 'join', join_authorised_via_users_server: named }
      expect(ofMember(SENDER, content)).toEqual(expected)
    }
    for (const membership of ['invite', 'knock']) {
      expect(ofMember(SENDER, { membership, ...VOUCHED })).toEqual(expected)
    }
  })
})
