import { describe, expect, it } from 'vitest'
import { roomVersion } from '../../../src/core/room-version.ts'
import { differences, underTest } from './differential.ts'
import { randomRoom } from './random-dag.ts'

const VERSIONS = ['1', '2', '6', '10', '11', '12']
const BLOCKS = 50
/** Together 5,000 rooms. One block alone: `-t 'block 7 '`. */
const ROOMS_PER_BLOCK = 100
const EVENTS = 200
/** Of sets of states from anywhere in the room. */
const EXTRA_MERGES = 4
/** The last ones of each room, the extra ones among them: the earlier merges are those of a smaller room. */
const COMPARED_MERGES = 10
const BLOCK_TIME_MAX_MS = 120_000
/** Apart from the seeds of the short test. */
const FIRST_SEED = 1_000_000

describe('state resolution against a second resolver, in many large rooms', () => {
  const blocks = Array.from({ length: BLOCKS }, (_, block) => block)

  it.each(blocks)('gives the same state in block %i of the random rooms', { timeout: BLOCK_TIME_MAX_MS }, (block) => {
    // In turn, because both for every room would take more than ten minutes.
    const reading = block % 2 === 0 ? 'synapse' : 'text'
    for (let index = 0; index < ROOMS_PER_BLOCK; index += 1) {
      const seed = FIRST_SEED + block * ROOMS_PER_BLOCK + index
      const id = VERSIONS[seed % VERSIONS.length]!
      const room = randomRoom({ version: roomVersion(id)!, extraMerges: EXTRA_MERGES }, seed, EVENTS)
      const found = differences(room, underTest(reading), reading, COMPARED_MERGES)
      expect(found, `${reading}, version ${id}, seed ${seed}`).toEqual([])
    }
  })
})
