const WORD_BITS = 32

/** A glob, read as a row of states: a star keeps the state that it stands at, anything else leads to the next one. */
export interface GlobAutomaton {
  /** By code point: the states, 32 in each word, that the character leads on from. */
  readonly leads: ReadonlyMap<number, Uint32Array>
  readonly leadsAlways: Uint32Array
  readonly keeps: Uint32Array
  readonly last: number
}

/** `anyOne` is the code point that stands for exactly one; `*` is any run. */
export function globAutomaton(pattern: string, anyOne: number): GlobAutomaton {
  const words = Math.floor(pattern.length / WORD_BITS) + 1
  const leads = new Map<number, Uint32Array>()
  const leadsAlways = new Uint32Array(words)
  const keeps = new Uint32Array(words)
  let state = 0
  for (const character of pattern) {
    const point = character.codePointAt(0) as number
    if (character === '*') setBit(keeps, state)
    else if (point === anyOne) setBit(leadsAlways, state++)
    else {
      const ofPoint = leads.get(point) ?? new Uint32Array(words)
      leads.set(point, ofPoint)
      setBit(ofPoint, state++)
    }
  }
  for (const ofPoint of leads.values()) for (const [word, bits] of leadsAlways.entries()) ofPoint[word]! |= bits
  return { leads, leadsAlways, keeps, last: state }
}

/** How many steps of one word the automaton takes over a text. */
export function automatonSteps(pattern: string, text: string): number {
  return text.length * (Math.floor(pattern.length / WORD_BITS) + 1)
}

/** Whether the automaton is in its last state after the whole text. It passes the text once, whatever the pattern. */
export function acceptsWhole(automaton: GlobAutomaton, text: string): boolean {
  const states = new Uint32Array(automaton.keeps.length)
  setBit(states, 0)
  for (let at = 0; at < text.length; ) at += step(automaton, states, text.codePointAt(at) as number)
  return hasBit(states, automaton.last)
}

/** Whether a part of the text that starts and ends at boundaries leads to the last state. */
export function acceptsPart(
  automaton: GlobAutomaton,
  text: string,
  isBoundary: (text: string, at: number) => boolean,
): boolean {
  const states = new Uint32Array(automaton.keeps.length)
  for (let at = 0; ; ) {
    const boundary = isBoundary(text, at)
    if (boundary) setBit(states, 0)
    if (boundary && hasBit(states, automaton.last)) return true
    if (at >= text.length) return false
    at += step(automaton, states, text.codePointAt(at) as number)
  }
}

/** Returns the units of UTF-16 of the character. */
function step({ leads, leadsAlways, keeps }: GlobAutomaton, states: Uint32Array, point: number): number {
  const leading = leads.get(point) ?? leadsAlways
  let carried = 0
  for (let word = 0; word < states.length; word++) {
    const before = states[word] as number
    const led = before & (leading[word] as number)
    states[word] = (led << 1) | carried | (before & (keeps[word] as number))
    carried = led >>> (WORD_BITS - 1)
  }
  return point > 0xffff ? 2 : 1
}

function setBit(words: Uint32Array, bit: number): void {
  words[Math.floor(bit / WORD_BITS)]! |= 1 << (bit % WORD_BITS)
}

function hasBit(words: Uint32Array, bit: number): boolean {
  return ((words[Math.floor(bit / WORD_BITS)] as number) & (1 << (bit % WORD_BITS))) !== 0
}

/** One code point is two units of UTF-16 when it is a whole surrogate pair; a lone half counts as one. */
export function width(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}
