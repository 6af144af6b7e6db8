import { expect, test } from 'vitest'
import { hasWords, wordsOf, wordsSought } from '../../src/core/words.ts'

const finds = (query: string, text: string) => {
  const sought = wordsSought(query, 20)
  return sought.length > 0 && hasWords(wordsOf(text), sought)
}

test('words are folded: case, diacritics, width', () => {
  expect(wordsOf('Héllo, WÖRLD! straße İstanbul x2 don’t ﬁne ｗｉｄｅ')).toEqual([
    'hello',
    'world',
    'strasse',
    'istanbul',
    'x2',
    'don',
    't',
    'fine',
    'wide',
  ])
  expect(wordsOf('Привет ΑΘΗΝΑ नमस्ते')).toHaveLength(3)
  expect(wordsOf(' ,.!?\u0000\ud800 ')).toEqual([])
})

test('Chinese, Japanese and Korean are pairs of characters', () => {
  expect(wordsOf('東京都x')).toEqual(['東京', '京都', '都', 'x'])
  expect(wordsOf('ｶﾀｶﾅ')).toEqual(['カタ', 'タカ', 'カナ', 'ナ'])
  expect(wordsOf('が')).not.toEqual(wordsOf('か'))
})

test.each([
  ['東京', '昨日東京に行った'],
  ['京都', '東京都'],
  ['都', '東京都'],
  ['京', '東京都'],
  ['한국', '대한민국과 한국어'],
  ['東京 tea', 'TEA in 東京都'],
  ['hel', 'Hello'],
  ['hello wor', 'hello, world'],
  ['cafe', 'Café'],
  ['CAFÉ', 'cafe'],
  ['strasse', 'Straße'],
])('%s finds %s', (query, text) => {
  expect(finds(query, text)).toBe(true)
})

test.each([
  ['京東', '東京都'],
  ['hel world', 'hello world'],
  ['ello', 'hello'],
  ['', 'anything'],
  ['!?', 'anything!?'],
])('%s does not find %s', (query, text) => {
  expect(finds(query, text)).toBe(false)
})

test('long texts and long words have their limits', () => {
  const started = performance.now()
  expect(wordsOf('word '.repeat(50_000)).length).toBe(500)
  expect(wordsOf('字'.repeat(60_000)).length).toBe(500)
  expect(wordsOf('x'.repeat(60_000))).toEqual(['x'.repeat(48)])
  expect(wordsOf('e\u0301'.repeat(30_000))).toEqual(['e'.repeat(48)])
  expect(wordsSought('a b c d', 2)).toHaveLength(2)
  expect(performance.now() - started).toBeLessThan(1_000)
})
