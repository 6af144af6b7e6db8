import { describe, expect, test } from 'vitest'
import { type HistoryVisibility, historyVisibilityOf, visibleTo, visibleToServer } from '../../src/core/visibility.ts'

const SETTINGS: (string | undefined)[] = ['world_readable', 'shared', 'invited', 'joined', undefined, 'nonsense']
const MEMBERSHIPS = ['join', 'invite', 'knock', 'leave', 'ban', undefined]

/** The whole table: for each setting the memberships that see the event, without and with a join afterwards. */
const SEEN: Record<HistoryVisibility, [before: string, joinedSince: string]> = {
  world_readable: ['join invite knock leave ban undefined', 'join invite knock leave ban undefined'],
  shared: ['join', 'join invite knock leave ban undefined'],
  invited: ['join invite', 'join invite'],
  joined: ['join', 'join'],
}

describe('visibleTo', () => {
  for (const setting of SETTINGS) {
    for (const [column, joinedSince] of [false, true].entries()) {
      test(`${setting}, joined since: ${joinedSince}`, () => {
        const known = setting !== undefined && setting in SEEN ? (setting as HistoryVisibility) : 'shared'
        const seen = MEMBERSHIPS.filter((membership) => visibleTo({ visibility: setting, membership, joinedSince }))
        expect(seen.map(String).join(' ')).toBe(SEEN[known][column])
      })
    }
  }

  test('a change of the setting shows when either value would show it', () => {
    const outsider = { membership: undefined, joinedSince: false }
    expect(visibleTo({ ...outsider, visibility: 'world_readable', visibilityAfter: 'joined' })).toBe(true)
    expect(visibleTo({ ...outsider, visibility: 'joined', visibilityAfter: 'world_readable' })).toBe(true)
    expect(visibleTo({ ...outsider, visibility: 'joined', visibilityAfter: 'shared' })).toBe(false)
  })

  test("the user's own membership shows when either membership would show it", () => {
    const strict = { visibility: 'joined', joinedSince: false }
    expect(visibleTo({ ...strict, membership: undefined, membershipAfter: 'join' })).toBe(true)
    expect(visibleTo({ ...strict, membership: 'join', membershipAfter: 'ban' })).toBe(true)
    expect(visibleTo({ ...strict, membership: 'leave', membershipAfter: 'invite' })).toBe(false)
    expect(visibleTo({ ...strict, visibility: 'invited', membership: 'leave', membershipAfter: 'invite' })).toBe(true)
  })
})

describe('visibleToServer', () => {
  test('one user of the server is enough', () => {
    const facts = { visibility: 'joined', joinedSince: false }
    expect(visibleToServer({ ...facts, memberships: ['leave', 'join'] })).toBe(true)
    expect(visibleToServer({ ...facts, memberships: ['leave', 'invite'] })).toBe(false)
    expect(visibleToServer({ ...facts, memberships: [] })).toBe(false)
  })

  test('a server without users at the event sees shared history once one has joined', () => {
    expect(visibleToServer({ visibility: 'shared', memberships: [], joinedSince: true })).toBe(true)
    expect(visibleToServer({ visibility: 'world_readable', memberships: [], joinedSince: false })).toBe(true)
  })
})

test('the setting of hostile content is shared', () => {
  expect(historyVisibilityOf(undefined)).toBe('shared')
  expect(historyVisibilityOf({ history_visibility: ['joined'] })).toBe('shared')
  expect(historyVisibilityOf({ history_visibility: 'joined' })).toBe('joined')
})
