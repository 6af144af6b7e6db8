import { acceptsPart, acceptsWhole, automatonSteps, globAutomaton, width } from './glob-automaton.ts'

const STAR = 0x2a
const QUESTION_MARK = 0x3f
/** Equal to no unit of any text. */
const NO_UNIT = -1

/** Going back over so many times the length of the text is cheaper than an automaton; more never is. */
const PATIENCE = 2

/**
 * Steps that a series of matches may spend where the quick way does not lead to an end: a pattern of 1,024 characters
 * over a body of 64 KiB costs two million. Nothing that people write comes near. Spent: nothing matches any more.
 */
export interface GlobBudget {
  left: number
}

export interface GlobOptions {
  readonly ignoreCase?: boolean
  /** `?` is a character like any other, as in the types of a filter. */
  readonly literalQuestionMark?: boolean
  readonly budget?: GlobBudget
}

/**
 * Whether the glob matches the whole text (Appendices, "Glob-style matching"): `*` is any run of characters, `?` is
 * exactly one code point. Two pointers and one place to go back to, and an automaton where they go back too often: the
 * time is linear in the text.
 */
export function globMatches(pattern: string, text: string, options: GlobOptions = {}): boolean {
  const anyOne = options.literalQuestionMark ? NO_UNIT : QUESTION_MARK
  if (!options.ignoreCase) return wholeMatches(pattern, text, anyOne, options.budget)
  return wholeMatches(pattern.toLowerCase(), text.toLowerCase(), anyOne, options.budget)
}

/**
 * Whether the glob matches a part of the text that starts and ends at a word boundary, ignoring case (Client-Server
 * API, "Push rules", for `content.body`). A boundary is an end of the text or a place beside a character outside
 * `[A-Za-z0-9_]`.
 */
export function wordGlobMatches(pattern: string, text: string, budget?: GlobBudget): boolean {
  const wanted = pattern.toLowerCase()
  const lowered = text.toLowerCase()
  const patience: GlobBudget = { left: lowered.length * PATIENCE }
  const segments = wanted.split('*')
  let place = 0
  // The leftmost match of each segment leaves the most text to the next ones, so that no choice need be undone.
  for (const [index, segment] of segments.entries()) {
    place = segmentEnd(segment, lowered, place, index === 0, index === segments.length - 1, patience)
    if (place < 0) break
  }
  if (place >= 0 || patience.left >= 0) return place >= 0
  if (!spend(budget, automatonSteps(wanted, lowered))) return false
  return acceptsPart(globAutomaton(wanted, QUESTION_MARK), lowered, isBoundary)
}

/** Whether the words stand in the text, as they are, between word boundaries, ignoring case. */
export function wordsOccur(words: string, text: string): boolean {
  const wanted = words.toLowerCase()
  const lowered = text.toLowerCase()
  if (wanted === '') return false
  for (let from = 0; from < lowered.length; from++) {
    // Where words cannot begin they need not be looked for, however often they stand there.
    while (!isBoundary(lowered, from)) from++
    from = lowered.indexOf(wanted, from)
    if (from < 0) return false
    if (isBoundary(lowered, from) && isBoundary(lowered, from + wanted.length)) return true
  }
  return false
}

function wholeMatches(pattern: string, text: string, anyOne: number, budget: GlobBudget | undefined): boolean {
  const patience: GlobBudget = { left: text.length * PATIENCE }
  let p = 0
  let t = 0
  let star = -1
  let retry = 0
  while (t < text.length) {
    const wanted = p < pattern.length ? pattern.charCodeAt(p) : NO_UNIT
    if (wanted === STAR) {
      star = p++
      retry = t
    } else if (wanted === anyOne && p < pattern.length) {
      p++
      t += width(text, t)
    } else if (wanted === text.charCodeAt(t)) {
      p++
      t++
    } else if (star < 0) {
      return false
    } else if (!spend(patience, t - retry)) {
      if (!spend(budget, automatonSteps(pattern, text))) return false
      return acceptsWhole(globAutomaton(pattern, anyOne), text)
    } else {
      p = star + 1
      retry += width(text, retry)
      t = retry
    }
  }
  while (p < pattern.length && pattern.charCodeAt(p) === STAR) p++
  return p === pattern.length
}

/** Where the first match of a star-free segment at or after `from` ends, or -1: there is none, or patience ran out. */
function segmentEnd(
  segment: string,
  text: string,
  from: number,
  atStart: boolean,
  atEnd: boolean,
  patience: GlobBudget,
): number {
  const literal = !segment.includes('?')
  for (let start = from; start <= text.length; start += width(text, start)) {
    if (literal) start = text.indexOf(segment, start)
    if (start < 0) return -1
    if (!atStart || isBoundary(text, start)) {
      const end = literal ? start + segment.length : endOfSegment(segment, text, start)
      if (end >= 0 && (!atEnd || isBoundary(text, end))) return end
    }
    if (!spend(patience, segment.length)) return -1
  }
  return -1
}

function endOfSegment(segment: string, text: string, start: number): number {
  let t = start
  for (let p = 0; p < segment.length; p++) {
    if (t >= text.length) return -1
    const wanted = segment.charCodeAt(p)
    if (wanted === QUESTION_MARK) t += width(text, t)
    else if (wanted === text.charCodeAt(t)) t++
    else return -1
  }
  return t
}

/** Whether the budget reaches; below zero it is spent. */
function spend(budget: GlobBudget | undefined, steps: number): boolean {
  if (budget === undefined) return true
  budget.left -= steps + 1
  return budget.left >= 0
}

function isBoundary(text: string, at: number): boolean {
  return at <= 0 || at >= text.length || !isWord(text.charCodeAt(at - 1)) || !isWord(text.charCodeAt(at))
}

function isWord(unit: number): boolean {
  return (
    (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || unit === 0x5f || (unit >= 0x61 && unit <= 0x7a)
  )
}
