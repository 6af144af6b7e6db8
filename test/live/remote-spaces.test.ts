import { expect, test } from 'vitest'
import type { RemoteSpace } from '../../src/core/space.ts'
import { createRemoteSpaces } from '../../src/live/remote-spaces.ts'
import { manualTime } from '../helpers/manual-time.ts'

test('large answers about spaces are kept as long as they fit into memory', () => {
  const spaces = createRemoteSpaces(manualTime().clock)
  const space = (letter: string): RemoteSpace => ({
    room: { room_id: '!a:b', num_joined_members: 0, world_readable: false, guest_can_join: false },
    children: [{ state_key: '!c:b', sender: '@a:b', origin_server_ts: 0, content: { x: letter.repeat(8_000_000) } }],
    summaries: new Map(),
    inaccessible: new Set(),
  })
  for (const letter of 'abcdef') spaces.set(letter, { space: space(letter) })
  spaces.set('nothing', { space: undefined })
  expect([...'abcdef'].filter((letter) => spaces.get(letter) !== undefined)).toEqual(['c', 'd', 'e', 'f'])
  expect(spaces.get('nothing')).toBeDefined()
})
