import type { RE2JS } from 're2js'

/** A set of ids, described by a regular expression. */
export interface Namespace {
  readonly regex: string
  readonly exclusive: boolean
  /** Takes time in proportion to the length of the id, whatever the expression. */
  has(id: string): boolean
  readonly program: Program
}

/** What the expression was compiled to: instructions that lead to one another. */
interface Program {
  readonly start: number
  readonly inst: readonly Instruction[]
}

interface Instruction {
  readonly op: number
  readonly out: number
  /** Of an alternative: the other way. Of an assertion: its kinds. */
  readonly arg: number
  readonly runes: Int32Array
  matchRune(rune: number): boolean
}

/** RE2's instructions. */
const OP = { alternative: 1, alternativeMatch: 2, assertion: 4, fail: 5, match: 6, rune: 8, anyRune: 10, lastRune: 11 }
/** Assertions: the end of a line or of the text, its beginning. */
const AT_END = 2 | 8
const AT_BEGIN = 1 | 4
/** A repetition such as `{1000}` makes a short expression a long program. */
const INSTRUCTIONS_MAX = 1_000

/** How namespaces are made; the engine is loaded only by those who have any. Errors of it: what is wrong in words. */
export async function namespaceCompiler(): Promise<(rule: { regex: string; exclusive?: boolean }) => Namespace> {
  const { RE2JS: engine } = await import('re2js')
  return ({ regex, exclusive = false }) => {
    const pattern = engine.compile(regex)
    // The engine's types do not tell of the program; `test/live/namespace.test.ts` holds it to what is used here.
    const program = (pattern as RE2JS & { re2Input: { prog: Program } }).re2Input.prog
    if (program.inst.length > INSTRUCTIONS_MAX) throw new Error('the expression is too long, or repeats too often')
    return { regex, exclusive, program, has: (id) => pattern.matcher(id).lookingAt() }
  }
}

/** The expression that exactly one text matches. */
export function exactly(text: string): string {
  return `${text.replace(/[^0-9A-Za-z_]/gu, '\\$&')}$`
}

/** All that follows is in the namespace, or nothing may follow. Other places are numbers of instructions. */
const REST = -1
const END = -2

/**
 * Whether an id can be in both. Walks both programs together, by the characters that both can take. Assertions other
 * than of beginning and end are taken to hold, so that too much is said to overlap rather than too little.
 */
export function overlap(a: Namespace, b: Namespace): boolean {
  const alphabet = alphabetOf([a.program, b.program])
  const width = b.program.inst.length + 2
  const seen = new Set<number>()
  const open: [number, number][] = []
  const add = (placesOfA: readonly number[], placesOfB: readonly number[]) => {
    for (const x of placesOfA)
      for (const y of placesOfB) {
        const key = (x + 2) * width + y + 2
        if (!seen.has(key)) open.push([x, y])
        seen.add(key)
      }
  }
  add(placesFrom(a.program, a.program.start, true), placesFrom(b.program, b.program.start, true))
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const [x, y] = pair
    if (x < 0 && y < 0) return true
    if (x === END || y === END) continue
    const takes = (rune: number) => canTake(a.program, x, rune) && canTake(b.program, y, rune)
    if (alphabet.some(takes)) add(next(a.program, x), next(b.program, y))
  }
  return false
}

function next(program: Program, place: number): number[] {
  return place === REST ? [REST] : placesFrom(program, program.inst[place]!.out, false)
}

function canTake({ inst }: Program, place: number, rune: number): boolean {
  if (place === REST) return true
  const { op } = inst[place]!
  return op >= OP.anyRune || inst[place]!.matchRune(rune)
}

/** Where a program stands that has come to an instruction: before characters, or at an end. */
function placesFrom({ inst }: Program, from: number, atBegin: boolean): number[] {
  const places = new Set<number>()
  const seen = new Set<string>()
  const open: [number, boolean][] = [[from, false]]
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const [at, ended] = step
    if (seen.has(`${at} ${ended}`)) continue
    seen.add(`${at} ${ended}`)
    const { op, out, arg } = inst[at]!
    if (op === OP.fail) continue
    if (op === OP.match) places.add(ended ? END : REST)
    else if (op >= OP.rune && op <= OP.lastRune) {
      if (!ended) places.add(at)
    } else if (op === OP.assertion && (arg & AT_BEGIN) !== 0) {
      if (atBegin) open.push([out, ended])
    } else {
      open.push([out, ended || (op === OP.assertion && (arg & AT_END) !== 0)])
      if (op === OP.alternative || op === OP.alternativeMatch) open.push([arg, ended])
    }
  }
  return [...places]
}

/** Characters at and beside each bound in the programs: what both take, one of these is taken by both. */
function alphabetOf(programs: readonly Program[]): number[] {
  const points = new Set<number>([0x61])
  for (const { inst } of programs)
    for (const { runes } of inst)
      for (const rune of runes)
        for (const letter of [rune, rune - 1, rune + 1, ...otherCases(rune)])
          if (letter >= 0 && letter <= 0x10ffff) points.add(letter)
  return [...points]
}

function otherCases(rune: number): number[] {
  const text = String.fromCodePoint(rune)
  return [text.toLowerCase(), text.toUpperCase()].map((letter) => letter.codePointAt(0) ?? rune)
}
