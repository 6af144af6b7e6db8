import { expect, test } from 'vitest'
import type { ServerName } from '../../src/core/ids.ts'
import { createDestinations } from '../../src/live/destinations.ts'

const EDU = { edu_type: 'm.presence', content: {} }
const name = (index: number) => `${index}.example` as ServerName

test('servers that are away for good fill no memory: what waits for them longest goes first', () => {
  const destinations = createDestinations()
  destinations.post(name(0), 'alive', EDU)
  for (let server = 1; server <= 200; server++)
    for (let key = 0; key < 1_000; key++) {
      destinations.post(name(server), `${key}`, EDU)
      if (key % 100 > 0) continue
      destinations.sent(name(0), destinations.waiting(name(0), 100))
      destinations.post(name(0), `${server} ${key}`, EDU)
    }
  const waiting = Array.from({ length: 201 }, (_, server) => destinations.waiting(name(server), 10_000).length)
  expect(waiting.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(100_000)
  expect([waiting[0], waiting[1], waiting[100], waiting[102], waiting[200]]).toEqual([1, 0, 0, 1_000, 1_000])
})

test('of one server the newest of each key wait, in order', () => {
  const destinations = createDestinations()
  for (let key = 0; key < 1_005; key++) destinations.post(name(1), `${key}`, EDU)
  const newer = { ...EDU }
  destinations.post(name(1), '7', newer)
  const waiting = destinations.waiting(name(1), 10_000)
  expect([waiting.length, waiting[0]?.[0], waiting.at(-1)?.[0], waiting.at(-1)?.[1]]).toEqual([1_000, '5', '7', newer])
  // What was sent was the older one.
  destinations.sent(name(1), [['7', EDU]])
  expect(destinations.waiting(name(1), 10_000)).toHaveLength(1_000)
  destinations.sent(name(1), waiting)
  expect(destinations.waiting(name(1), 10_000)).toEqual([])
})
