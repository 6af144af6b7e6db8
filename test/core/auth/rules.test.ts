import { describe, expect, it } from 'vitest'
import { ruleNumbers } from '../../../src/core/auth/rule-numbers.ts'
import { ROOM_VERSIONS } from '../../../src/core/room-version.ts'
import { RULE_CASES } from './rule-cases.ts'
import { MEMBER_CASES } from './rule-cases-member.ts'
import { POWER_LEVEL_CASES } from './rule-cases-power-levels.ts'
import { THIRD_PARTY_INVITE_CASES } from './rule-cases-third-party.ts'
import { RULES_OF_VERSIONS } from './rules-of-the-specification.ts'
import { roomOf } from './scene.ts'

const CASES = [...RULE_CASES, ...MEMBER_CASES, ...THIRD_PARTY_INVITE_CASES, ...POWER_LEVEL_CASES]

describe.each([...ROOM_VERSIONS.values()])('the rules of room version $id', (version) => {
  const numbers = ruleNumbers(version)
  const room = roomOf(version)

  it('are those of its page, and each has its cases', () => {
    const specified = RULES_OF_VERSIONS.get(version.id)
    const tried = CASES.flatMap(({ rule }) => numbers.get(rule) ?? [])
    expect(new Set(tried)).toEqual(new Set(specified))
    expect(tried).toHaveLength(specified!.length)
    expect([...numbers.values()].filter(isLast)).toEqual(specified)
  })

  it.each(CASES.filter(({ rule }) => numbers.has(rule)).map((tried) => [numbers.get(tried.rule), tried.rule, tried]))(
    'rule %s (%s) lets pass and refuses',
    (_number, _rule, { rule, reason, refusedBy = rule, accepted, rejected }) => {
      const passed = accepted(room)
      expect(passed.length).toBeGreaterThan(0)
      for (const verdict of passed) expect(verdict).toEqual({ allowed: true })
      const refused = rejected(room)
      expect(refused.length).toBeGreaterThan(0)
      for (const verdict of refused) {
        expect(verdict).toEqual({
          allowed: false,
          rule: numbers.get(refusedBy),
          reason: expect.stringContaining(reason) as string,
        })
      }
    },
  )

  function isLast(number: string): boolean {
    return ![...numbers.values()].some((other) => other.startsWith(`${number}.`))
  }
})
