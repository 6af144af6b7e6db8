import { describe, expect, it } from 'vitest'
import { authorise, type Verdict } from '../../../src/core/auth/authorise.ts'
import type { AuthEvent, EventId } from '../../../src/core/event.ts'
import { roomVersion } from '../../../src/core/room-version.ts'
import { diceOf } from '../state/dice.ts'
import { naiveKey } from '../state/naive-resolver.ts'
import { randomDraft } from '../state/random-actions.ts'
import { randomRoom } from '../state/random-dag.ts'
import { naivelyAllowed } from './naive-authorise.ts'

const VERSIONS = Array.from({ length: 12 }, (_, index) => `${index + 1}`)
const ROOMS = 25
const EVENTS = 60
const ATTEMPTS_PER_STATE = 8

describe('the auth rules against a second writing of them', () => {
  it.each(VERSIONS)('decide alike what people try in random rooms of version %s', (id) => {
    const version = roomVersion(id)!
    const disagreements: { seed: number; event: AuthEvent; verdict: Verdict }[] = []
    const verdicts = { allowed: 0, denied: 0 }
    for (let seed = 1; seed <= ROOMS; seed += 1) {
      const room = randomRoom({ version, extraMerges: 0 }, seed, EVENTS)
      const dice = diceOf(seed)
      for (const [after, state] of room.stateAfter) {
        const view = (type: string, stateKey: string): AuthEvent | undefined => {
          const found = state.get(naiveKey(type, stateKey))
          return found === undefined ? undefined : room.events.get(found)
        }
        for (let attempt = 0; attempt < ATTEMPTS_PER_STATE; attempt += 1) {
          const event = attemptOf(room.events.get(after)!, randomDraft(version, dice, view))
          const verdict = authorise(version, event, view)
          const expected = naivelyAllowed(version, event, view)
          if (verdict.allowed !== expected) disagreements.push({ seed, event, verdict })
          verdicts[expected ? 'allowed' : 'denied'] += 1
        }
      }
    }
    expect(disagreements).toEqual([])
    expect(Math.min(verdicts.allowed, verdicts.denied)).toBeGreaterThan(ROOMS * EVENTS)
  })
})

function attemptOf(after: AuthEvent, draft: ReturnType<typeof randomDraft>): AuthEvent {
  return {
    ...draft,
    eventId: '$attempt' as EventId,
    roomId: after.roomId,
    originServerTs: after.originServerTs,
    depth: after.depth + 1,
    prevEvents: [after.eventId],
    authEvents: [],
  }
}
