import { describe, expect, test } from 'vitest'
import { ROOM_VERSIONS, type RoomVersion, roomVersion } from '../../src/core/room-version.ts'

const ALL = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12']

test('knows the versions 1 to 12 and no other', () => {
  expect([...ROOM_VERSIONS.keys()]).toEqual(ALL)
  for (const id of ALL) expect(roomVersion(id)?.id).toBe(id)
  for (const id of ['', '0', '13', '01', '1.0', 'constructor', '__proto__']) expect(roomVersion(id)).toBeUndefined()
})

/** From which version to which one a flag is set, as the pages of the specification say. */
const FLAGS: readonly (readonly [keyof RoomVersion, first: number, last: number])[] = [
  ['referencesAsPairs', 1, 2],
  ['roomIdIsCreateHash', 12, 12],
  ['enforceKeyValidity', 5, 12],
  ['strictJson', 6, 12],
  ['specialAliases', 1, 5],
  ['redactionInAuth', 1, 2],
  ['guardNotifications', 6, 12],
  ['knock', 7, 12],
  ['restricted', 8, 12],
  ['knockRestricted', 10, 12],
  ['integerLevels', 10, 12],
  ['creatorIsSender', 11, 12],
  ['privilegedCreators', 12, 12],
  ['redactsInContent', 11, 12],
  ['strictByteLimits', 11, 12],
]

describe('the rows', () => {
  test.each(FLAGS)('%s is set from version %i to %i', (flag, first, last) => {
    const set = [...ROOM_VERSIONS.values()].filter((version) => version[flag] === true).map(({ id }) => Number(id))
    expect(set).toEqual(ALL.map(Number).filter((id) => id >= first && id <= last))
  })

  test('event ids, state resolution and depth', () => {
    const rows = [...ROOM_VERSIONS.values()]
    const url = Array(9).fill('base64url')
    expect(rows.map((row) => row.eventIdFormat)).toEqual(['server', 'server', 'base64', ...url])
    expect(rows.map((row) => row.stateResolution)).toEqual(['v1', ...Array(10).fill('v2'), 'v2.1'])
    expect(rows.map((row) => row.depthMax)).toEqual([
      ...Array(5).fill(9_223_372_036_854_775_807n),
      ...Array(7).fill(9_007_199_254_740_991n),
    ])
  })

  test('cannot be changed', () => {
    expect([...ROOM_VERSIONS.values()].every(Object.isFrozen)).toBe(true)
  })
})
