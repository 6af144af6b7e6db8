import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { globMatches, wordGlobMatches, wordsOccur } from '../../src/core/glob.ts'
import { acceptsPart, acceptsWhole, globAutomaton } from '../../src/core/glob-automaton.ts'

describe('globMatches', () => {
  test.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['**', 'anything', true],
    ['?', '', false],
    ['?', 'a', true],
    ['?', '😀', true],
    ['??', '😀', false],
    ['*??', '😀', false],
    ['m.room.*', 'm.room.member', true],
    ['m.room.*', 'm.room', false],
    ['m.*.member', 'm.room.member', true],
    ['*.example.org', 'a.b.example.org', true],
    ['*.example.org', 'example.org', false],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
    ['*ab*ab', 'abab', true],
    ['*ab*ab', 'aab', false],
    ['a*', '*', false],
    ['*', '*', true],
    ['a?c', 'a*c', true],
    ['A', 'a', false],
    ['lunc?*', 'Lunch plans', false],
  ])('%j on %j: %s', (pattern, text, expected) => {
    expect(globMatches(pattern, text)).toBe(expected)
  })

  test.each([
    ['lunc?*', 'Lunch plans', true],
    ['lunc?*', 'LUNCH', true],
    ['lunc?*', ' lunch', false],
    ['lunc?*', 'lunc', false],
  ])('ignoring case, %j on %j: %s', (pattern, text, expected) => {
    expect(globMatches(pattern, text, { ignoreCase: true })).toBe(expected)
  })

  test('a question mark can be a plain character', () => {
    const options = { literalQuestionMark: true }
    expect(globMatches('a?*', 'abc', options)).toBe(false)
    expect(globMatches('a?*', 'a?c', options)).toBe(true)
    expect(globMatches('a', 'ab', options)).toBe(false)
  })

  test('agrees with a table of all prefixes', () => {
    const pieces = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '😀'), maxLength: 8 })
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '*', '😀'), maxLength: 10 })
    fc.assert(
      fc.property(pieces, texts, (pattern, text) => {
        expect(globMatches(pattern, text)).toBe(tableMatches(pattern, text))
      }),
      { numRuns: 2000 },
    )
  })

  test('a spent budget matches nothing, and an unspent one changes nothing', () => {
    const pattern = `*${'a'.repeat(500)}b`
    const text = 'a'.repeat(20_000)
    expect(globMatches(pattern, `${text}b`, { budget: { left: 1_000 } })).toBe(false)
    expect(globMatches('*b', `${text}b`, { budget: { left: 100_000 } })).toBe(true)
  })
})

describe('wordGlobMatches', () => {
  test.each([
    ['ex*ple', 'An example event.', true],
    ['ex*ple', 'exple', true],
    ['ex*ple', 'An exciting triple-whammy', true],
    ['ex*ple', 'context apple', false],
    ['cake', 'I like cake!', true],
    ['cake', 'CAKE', true],
    ['cake', 'pancakes', false],
    ['cake', 'cakes', false],
    ['cake', 'cakes and cake', true],
    ['cake', 'ein Käsecake', false],
    ['c?ke', 'coke_ coke', true],
    ['c?ke', 'coke_', false],
    ['@room', 'hello @room', true],
    ['猫', '黒猫です', true],
    ['*ake', 'pancake', true],
    ['*', '', true],
    ['?', '', false],
    ['tea*time', 'time for tea', false],
  ])('%j in %j: %s', (pattern, text, expected) => {
    expect(wordGlobMatches(pattern, text)).toBe(expected)
  })

  test('a search for a segment that almost occurs everywhere ends with the budget', () => {
    const budget = { left: 10_000 }
    expect(wordGlobMatches(`*${'?'.repeat(200)}b*`, 'a'.repeat(60_000), budget)).toBe(false)
    expect(budget.left).toBeLessThanOrEqual(0)
  })
})

describe('the automaton', () => {
  const unit = fc.constantFrom('a', 'b', '*', '?', '😀', ' ')
  const QUESTION_MARK = 0x3f

  test('agrees with a table of all prefixes, also over several words of states', () => {
    const pattern = fc.tuple(fc.string({ unit, maxLength: 6 }), fc.nat(80), fc.string({ unit, maxLength: 6 }))
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', '😀'), maxLength: 8 }), ([a, n, b], rest) => {
        const wanted = `${a}${'a'.repeat(n)}${b}`
        for (const text of [rest, `${'a'.repeat(n)}${rest}`, `${rest}${'a'.repeat(n)}${rest}`]) {
          expect(acceptsWhole(globAutomaton(wanted, QUESTION_MARK), text)).toBe(tableMatches(wanted, text))
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('finds the words that the quick way finds', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '😀', ' '), maxLength: 8 })
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 6 }), texts, (wanted, text) => {
        const boundaries = [...Array(text.length + 1).keys()].filter((at) => isBoundary(text, at))
        const expected = boundaries.some((from) =>
          boundaries.some((to) => to >= from && tableMatches(wanted, text.slice(from, to))),
        )
        expect(acceptsPart(globAutomaton(wanted, QUESTION_MARK), text, isBoundary)).toBe(expected)
        expect(wordGlobMatches(wanted, text)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('takes over where going back would take long, and comes to the same', () => {
    const text = 'a'.repeat(65_000)
    for (const [pattern, end, expected] of [
      [`*${'a'.repeat(253)}b`, 'b', true],
      [`*${'a'.repeat(253)}b`, 'c', false],
      [`*${'a'.repeat(253)}?b`, 'cb', true],
      [`*${'?'.repeat(200)}b*`, 'bb', true],
      [`*${'?'.repeat(200)}b*`, '', false],
    ] as const) {
      expect(globMatches(pattern, text + end)).toBe(expected)
      expect(wordGlobMatches(pattern, text + end)).toBe(expected)
    }
    expect(wordGlobMatches(`${'a'.repeat(200)}`, text)).toBe(false)
    expect(wordGlobMatches(`${'a'.repeat(200)}`, `${text} ${'a'.repeat(200)}`)).toBe(true)
  })
})

describe('wordsOccur', () => {
  test.each([
    ['Alice *', 'hi alice *, look', true],
    ['Alice *', 'hi alice bob', false],
    ['Al', 'alice, ask al', true],
    ['', 'anything', false],
    ['a', 'ba ab a', true],
    ['ab', 'abab xab aba', false],
    ['a', '', false],
    ['!', 'a!b', true],
  ])('%j in %j: %s', (words, text, expected) => {
    expect(wordsOccur(words, text)).toBe(expected)
  })
})

function isBoundary(text: string, at: number): boolean {
  return !(/\w$/.test(text.slice(0, at)) && /^\w/.test(text.slice(at)))
}

/** The plain dynamic programme, as an oracle. */
function tableMatches(pattern: string, text: string): boolean {
  const characters = [...text]
  let row = characters.map(() => false)
  row.unshift(true)
  for (const wanted of pattern) {
    const next = [wanted === '*' && row[0] === true]
    for (const [index, character] of characters.entries()) {
      if (wanted === '*') next.push(next[index] === true || row[index + 1] === true)
      else next.push(row[index] === true && (wanted === '?' || wanted === character))
    }
    row = next
  }
  return row.at(-1) === true
}
