import { expect, test } from 'vitest'
import { childrenAtOnce } from '../../src/blobs/thumbnailer.ts'

test.each([
  ['as many as are wanted', 2, 4, 2],
  ['one core is left', 10, 4, 3],
  ['one there is always', 10, 1, 1],
  ['a large machine is not filled', 200, 128, 8],
])('thumbnails at once: %s', (_, wanted, cores, expected) => {
  expect(childrenAtOnce(wanted, cores)).toBe(expected)
})
