const STAR = 0x2a
const QUESTION_MARK = 0x3f
/** Equal to no unit of any text. */
const NO_UNIT = -1

/**
 * Steps that a series of matches may spend on going back in the text. A pattern of 1,024 characters over a body of
 * 64 KiB can cost 64 million; nothing that people write comes near the usual budget. Spent: nothing matches any more.
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
 * exactly one code point. Two pointers and one place to go back to: no recursion, and never exponential.
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
  const segments = pattern.toLowerCase().split('*')
  const lowered = text.toLowerCase()
  let place = 0
  // The leftmost match of each segment leaves the most text to the next ones, so that no choice need be undone.
  for (const [index, segment] of segments.entries()) {
    place = segmentEnd(segment, lowered, place, index === 0, index === segments.length - 1, budget)
    if (place < 0) return false
  }
  return true
}

/** Whether the words stand in the text, as they are, between word boundaries, ignoring case. */
export function wordsOccur(words: string, text: string): boolean {
  const wanted = words.toLowerCase()
  const lowered = text.toLowerCase()
  if (wanted === '') return false
  for (let at = lowered.indexOf(wanted); at >= 0; at = lowered.indexOf(wanted, at + 1)) {
    if (isBoundary(lowered, at) && isBoundary(lowered, at + wanted.length)) return true
  }
  return false
}

function wholeMatches(pattern: string, text: string, anyOne: number, budget: GlobBudget | undefined): boolean {
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
      t += widthAt(text, t)
    } else if (wanted === text.charCodeAt(t)) {
      p++
      t++
    } else if (star >= 0 && spend(budget, t - retry)) {
      p = star + 1
      retry += widthAt(text, retry)
      t = retry
    } else {
      return false
    }
  }
  while (p < pattern.length && pattern.charCodeAt(p) === STAR) p++
  return p === pattern.length
}

/** Where the first match of a star-free segment at or after `from` ends, or -1. */
function segmentEnd(
  segment: string,
  text: string,
  from: number,
  atStart: boolean,
  atEnd: boolean,
  budget: GlobBudget | undefined,
): number {
  const literal = !segment.includes('?')
  for (let start = from; start <= text.length; start += widthAt(text, start)) {
    if (literal) start = text.indexOf(segment, start)
    if (start < 0) return -1
    if (atStart && !isBoundary(text, start)) continue
    const end = literal ? start + segment.length : endOfSegment(segment, text, start)
    if (end >= 0 && (!atEnd || isBoundary(text, end))) return end
    if (!spend(budget, segment.length)) return -1
  }
  return -1
}

function endOfSegment(segment: string, text: string, start: number): number {
  let t = start
  for (let p = 0; p < segment.length; p++) {
    if (t >= text.length) return -1
    const wanted = segment.charCodeAt(p)
    if (wanted === QUESTION_MARK) t += widthAt(text, t)
    else if (wanted === text.charCodeAt(t)) t++
    else return -1
  }
  return t
}

function spend(budget: GlobBudget | undefined, steps: number): boolean {
  if (budget === undefined) return true
  budget.left -= steps + 1
  return budget.left > 0
}

/** One code point is two units of UTF-16 when it is a whole surrogate pair; a lone half counts as one. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}

function isBoundary(text: string, at: number): boolean {
  return at <= 0 || at >= text.length || !isWord(text.charCodeAt(at - 1)) || !isWord(text.charCodeAt(at))
}

function isWord(unit: number): boolean {
  return (
    (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || unit === 0x5f || (unit >= 0x61 && unit <= 0x7a)
  )
}
