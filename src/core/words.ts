/** Longer words are cut; of a text so many are taken. */
const WORD_MAX_LENGTH = 48
const WORDS_MAX = 500

const LETTERS = /[\p{L}\p{N}\p{M}]+/gu
/** Accents of alphabets and the points of Hebrew and Arabic; the vowels of Indian scripts are more than that. */
const MARKS = /[\u0300-\u036f\u0591-\u05c7\u064b-\u065f]+/g
/** What is written without spaces between the words. */
// Written as code points: one letter beyond Latin would double the memory that the program's text takes.
const UNSPACED = /([\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u30fc\u3005\u3006]+)/u

/**
 * The words of a text for an index, in their order: case and diacritics folded, wide letters made narrow. Chinese,
 * Japanese and Korean are taken as pairs of characters and the last character by itself, so that any two characters
 * that stand side by side are a word, and any one character begins a word.
 */
export function wordsOf(text: string): string[] {
  const words: string[] = []
  for (const run of runsOf(text)) {
    words.push(...(run.spaced ? [run.word] : [...pairsOf(run.characters), run.characters.at(-1)!]))
    if (words.length >= WORDS_MAX) return words.slice(0, WORDS_MAX)
  }
  return words
}

export interface WordSought {
  readonly word: string
  /** Words that begin so will do. */
  readonly begun: boolean
}

/** The words that a text has to have, all of them, to be found: the last one may be half written. */
export function wordsSought(query: string, limit: number): WordSought[] {
  const sought = new Map<string, WordSought>()
  const seek = (word: string, begun: boolean) => {
    if (sought.size < limit) sought.set(word, { word, begun: begun || sought.get(word)?.begun === true })
  }
  const runs = [...runsOf(query)]
  for (const [index, run] of runs.entries()) {
    if (run.spaced) seek(run.word, index === runs.length - 1)
    else if (run.characters.length === 1) seek(run.characters[0]!, true)
    else for (const pair of pairsOf(run.characters)) seek(pair, false)
  }
  return [...sought.values()]
}

/** Whether a text with these words is what the query looks for. */
export function hasWords(words: readonly string[], sought: readonly WordSought[]): boolean {
  return sought.every(({ word, begun }) => words.some((one) => one === word || (begun && one.startsWith(word))))
}

type Run = { readonly spaced: true; readonly word: string } | { readonly spaced: false; readonly characters: string[] }

function* runsOf(text: string): Generator<Run> {
  for (const [letters] of text.normalize('NFKC').matchAll(LETTERS)) {
    for (const part of letters.split(UNSPACED)) {
      if (UNSPACED.test(part)) yield { spaced: false, characters: [...part] }
      else if (part !== '') {
        const word = folded(part)
        if (word !== '') yield { spaced: true, word }
      }
    }
  }
}

function pairsOf(characters: readonly string[]): string[] {
  return characters.slice(1).map((character, index) => characters[index]! + character)
}

function folded(part: string): string {
  const word = part.normalize('NFKD').replace(MARKS, '').toLowerCase().replaceAll('ß', 'ss')
  return [...word].slice(0, WORD_MAX_LENGTH).join('')
}
