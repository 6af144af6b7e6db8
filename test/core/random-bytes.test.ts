import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/core/json.ts'
import { feed, receivedBytes } from './random-bytes.ts'

const COUNT = 3_000
const SEED = 7

describe('bytes of chance', () => {
  test('are refused as a Matrix error, or are JSON, or even an event', () => {
    const tally = feed(COUNT, SEED)
    expect(tally.refused).toBeGreaterThan(COUNT / 2)
    expect(tally.json).toBe(COUNT - tally.refused)
    expect(tally.json).toBeGreaterThan(COUNT / 20)
    expect(tally.events).toBeGreaterThan(COUNT / 20)
  })

  test.each<[string, typeof receivedBytes]>([
    ['an error of the native parser that comes out', (bytes) => void JSON.parse(new TextDecoder().decode(bytes))],
    [
      'a parser that stumbles over half of a surrogate pair',
      (bytes, tally) => {
        receivedBytes(bytes, tally)
        encodeURIComponent(JSON.stringify(parseJson(bytes)).replaceAll('\\ud800', '\ud800'))
      },
    ],
    [
      'a reader that trusts what objects inherit',
      (bytes, tally) => {
        receivedBytes(bytes, tally)
        const inherited: unknown = Reflect.get(Object(parseJson(bytes)) as object, 'constructor')
        if (typeof inherited !== 'function') throw new TypeError('a key of the other side in place of our own')
      },
    ],
  ])('bring to light %s', (_, receive) => {
    expect(() => feed(COUNT, SEED, receive)).toThrow(/^after [0-9a-f]+$/)
  })
})
