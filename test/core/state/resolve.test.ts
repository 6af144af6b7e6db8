import { describe, expect, it } from 'vitest'
import type { Reading } from '../../../src/core/state/resolve.ts'
import { picture, resolved, type Stroke } from './room-picture.ts'

const join = { membership: 'join' }
const leave = { membership: 'leave' }
const ban = { membership: 'ban' }
const A = 'create levels annaIn'
const B = 'create levels bertIn'

/** create - annaIn - levels - rules - bertIn - carlIn: anna has 100, bert 50, carl 0, and everybody may join. */
function base(version: string): Record<string, Stroke> {
  return {
    create: ['@anna', 'm.room.create', '', { creator: '@anna:a', room_version: version }, ''],
    annaIn: ['@anna', 'm.room.member', '@anna:a', join, 'create'],
    levels: ['@anna', 'm.room.power_levels', '', levelsOf(version), 'create annaIn'],
    rules: ['@anna', 'm.room.join_rules', '', { join_rule: 'public' }, A],
    bertIn: ['@bert', 'm.room.member', '@bert:a', join, 'create levels rules'],
    carlIn: ['@carl', 'm.room.member', '@carl:a', join, 'create levels rules'],
  }
}

/** Creators of version 12 stand above all levels, and are not listed. */
function levelsOf(version: string, more: object = {}): object {
  return { users: { ...(version === '12' ? {} : { '@anna:a': 100 }), '@bert:a': 50, ...more } }
}

const BASE = ['create', 'annaIn', 'levels', 'rules', 'bertIn', 'carlIn']

interface Case {
  readonly title: string
  readonly versions: readonly string[]
  readonly strokes: (version: string) => Record<string, Stroke>
  /** Each a whole state, by names. */
  readonly states: readonly string[]
  readonly answer: string
  readonly reading?: Reading
}

const V1 = ['1']
const V2 = ['2', '6', '11']
const V21 = ['12']

/** Two states that agree on `closed`, one of them without the levels by which it came. */
const BETWEEN = [
  'create annaIn levels2 closed bertIn carlIn doraAsked',
  'create annaIn levels closed bertIn carlIn emilIn',
]

function between(version: string, authOfAsked: string): Record<string, Stroke> {
  return {
    levels2: ['@anna', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 1 }), A],
    closed: ['@anna', 'm.room.join_rules', '', { join_rule: 'invite' }, 'create levels2 annaIn'],
    doraAsked: ['@anna', 'm.room.member', '@dora:a', { membership: 'invite' }, authOfAsked],
    emilIn: ['@emil', 'm.room.member', '@emil:a', join, 'create levels rules'],
  }
}

function givingUp(version: string): Record<string, Stroke> {
  return {
    otherRules: ['@bert', 'm.room.join_rules', 'other', { join_rule: 'invite' }, B],
    levels2: ['@bert', 'm.room.power_levels', '', levelsOf(version, { '@bert:a': 0 }), B],
  }
}

const CASES: readonly Case[] = [
  {
    // base -+- topic
    //       +- (nothing)
    title: 'in version 1 a key that only one state has is no conflict, and is not checked',
    versions: V1,
    strokes: () => ({ topic: ['@carl', 'm.room.topic', '', {}, 'create levels carlIn'] }),
    states: [`${BASE.join(' ')} topic`, BASE.join(' ')],
    answer: `${BASE.join(' ')} topic`,
  },
  {
    title: 'after version 1 it is a conflict, and what is not allowed falls',
    versions: [...V2, ...V21],
    strokes: () => ({ topic: ['@carl', 'm.room.topic', '', {}, 'create levels carlIn'] }),
    states: [`${BASE.join(' ')} topic`, BASE.join(' ')],
    answer: BASE.join(' '),
  },
  {
    // base -+- one (carl may not, depth 7)
    //       +- two (carl may not, depth 8)
    title: 'in version 1 the oldest stays where none is allowed, as in the servers in use',
    versions: V1,
    strokes: () => ({
      one: ['@carl', 'm.room.topic', '', {}, 'create levels carlIn'],
      two: ['@carl', 'm.room.topic', '', {}, 'create levels carlIn'],
    }),
    states: [`${BASE.join(' ')} one`, `${BASE.join(' ')} two`],
    answer: `${BASE.join(' ')} one`,
  },
  {
    title: 'in version 1 nothing stays where none is allowed, by the text',
    versions: V1,
    strokes: () => ({
      one: ['@carl', 'm.room.topic', '', {}, 'create levels carlIn'],
      two: ['@carl', 'm.room.topic', '', {}, 'create levels carlIn'],
    }),
    states: [`${BASE.join(' ')} one`, `${BASE.join(' ')} two`],
    answer: BASE.join(' '),
    reading: 'text',
  },
  {
    // SHA-1 of $nameC starts with 85, of $nameA with df.
    title: 'in version 1 of two at the same depth the smaller hash',
    versions: V1,
    strokes: () => ({
      nameA: ['@anna', 'm.room.name', '', {}, A, { depth: 9 }],
      nameC: ['@anna', 'm.room.name', '', {}, A, { depth: 9 }],
    }),
    states: [`${BASE.join(' ')} nameA`, `${BASE.join(' ')} nameC`],
    answer: `${BASE.join(' ')} nameC`,
  },
  {
    // base -+- levels2 by bert (gives carl 25) - levels3 by carl (takes bert's away: not allowed)
    //       +- levels4 by anna
    title: 'in version 1 a row of levels ends at the first that is not allowed',
    versions: V1,
    strokes: (version) => ({
      levels2: ['@bert', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 25 }), B],
      levels3: ['@carl', 'm.room.power_levels', '', levelsOf(version, { '@bert:a': 0 }), 'create levels2 carlIn'],
      levels4: ['@anna', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 1 }), A],
    }),
    states: ['levels2', 'levels3', 'levels4'].map((name) => BASE.join(' ').replace('levels', name)),
    answer: BASE.join(' ').replace('levels', 'levels2'),
  },
  {
    // base - kicked (bert) - backIn (bert) on both ways; - topic by bert on one
    title: 'a kick that was followed by a return does not undo what came after the return',
    versions: [...V2, ...V21],
    strokes: () => ({
      kicked: ['@anna', 'm.room.member', '@bert:a', leave, `${A} bertIn`],
      backIn: ['@bert', 'm.room.member', '@bert:a', join, 'create levels rules kicked'],
      topic: ['@bert', 'm.room.topic', '', {}, 'create levels backIn'],
    }),
    states: [`${BASE.join(' ')} topic`.replace('bertIn', 'backIn'), BASE.join(' ').replace('bertIn', 'backIn')],
    answer: `${BASE.join(' ')} topic`.replace('bertIn', 'backIn'),
  },
  {
    // base -+- bertOut - carl invites no more: rules2 by anna
    //       +- levels2 by bert
    title: 'a ban and closed doors both stand against levels of the banned',
    versions: [...V2, ...V21],
    strokes: (version) => ({
      bertOut: ['@anna', 'm.room.member', '@bert:a', ban, `${A} bertIn`],
      rules2: ['@anna', 'm.room.join_rules', '', { join_rule: 'invite' }, A],
      levels2: ['@bert', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 25 }), B],
    }),
    states: ['create annaIn levels rules2 bertOut carlIn', 'create annaIn levels2 rules bertIn carlIn'],
    answer: 'create annaIn levels rules2 bertOut carlIn',
  },
  {
    // base -+- bertGone (of his own will, early clock)
    //       +- topic by bert (late clock)
    title: 'leaving of one’s own will is no power event, and comes in its turn by the clock',
    versions: [...V2, ...V21],
    strokes: () => ({
      topic: ['@bert', 'm.room.topic', '', {}, B, { ts: 20 }],
      bertGone: ['@bert', 'm.room.member', '@bert:a', leave, B, { ts: 30 }],
    }),
    states: [`${BASE.join(' ')} topic`, BASE.join(' ').replace('bertIn', 'bertGone')],
    answer: `${BASE.join(' ')} topic`.replace('bertIn', 'bertGone'),
  },
  {
    title: 'and undoes what the clock puts after it',
    versions: [...V2, ...V21],
    strokes: () => ({
      bertGone: ['@bert', 'm.room.member', '@bert:a', leave, B, { ts: 20 }],
      topic: ['@bert', 'm.room.topic', '', {}, B, { ts: 30 }],
    }),
    states: [`${BASE.join(' ')} topic`, BASE.join(' ').replace('bertIn', 'bertGone')],
    answer: BASE.join(' ').replace('bertIn', 'bertGone'),
  },
  {
    // base -+- topicA (of the same time)
    //       +- topicB
    title: 'ids are compared by code point: U+1F600 is greater than U+FFFD',
    versions: [...V2, ...V21],
    strokes: () => ({
      'x\u{1F600}': ['@anna', 'm.room.topic', '', {}, A, { ts: 9 }],
      'x\uFFFD': ['@anna', 'm.room.topic', '', {}, A, { ts: 9 }],
    }),
    states: [`${BASE.join(' ')} x\u{1F600}`, `${BASE.join(' ')} x\uFFFD`],
    answer: `${BASE.join(' ')} x\u{1F600}`,
  },
  {
    // base - levels2 - levels3 -+- topicOld by anna, resting on levels2, of a late clock
    //                           +- topicNew by anna, resting on levels3, of an early clock
    title: 'unconflicted levels make the mainline',
    versions: V2,
    strokes: (version) => ({
      levels2: ['@anna', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 1 }), A],
      levels3: ['@anna', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 2 }), 'create levels2 annaIn'],
      topicNew: ['@anna', 'm.room.topic', '', {}, 'create levels3 annaIn', { ts: 20 }],
      topicOld: ['@anna', 'm.room.topic', '', {}, 'create levels2 annaIn', { ts: 90 }],
    }),
    states: ['topicNew', 'topicOld'].map((topic) => `${BASE.join(' ').replace('levels', 'levels3')} ${topic}`),
    answer: `${BASE.join(' ').replace('levels', 'levels3')} topicNew`,
  },
  {
    title: 'in version 12 they are not in the map when the mainline is drawn: the clock alone decides',
    versions: V21,
    strokes: (version) => ({
      levels2: ['@anna', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 1 }), A],
      levels3: ['@anna', 'm.room.power_levels', '', levelsOf(version, { '@carl:a': 2 }), 'create levels2 annaIn'],
      topicNew: ['@anna', 'm.room.topic', '', {}, 'levels3 annaIn', { ts: 20 }],
      topicOld: ['@anna', 'm.room.topic', '', {}, 'levels2 annaIn', { ts: 90 }],
    }),
    states: ['topicNew', 'topicOld'].map((topic) => `${BASE.join(' ').replace('levels', 'levels3')} ${topic}`),
    answer: `${BASE.join(' ').replace('levels', 'levels3')} topicOld`,
  },
  {
    // base - closed -+- doraIn (of the time before the closing), known to one state alone
    //                +- (nothing)
    title: 'version 2 judges a lost membership by the rules that all agree on',
    versions: V2,
    strokes: () => ({
      doraIn: ['@dora', 'm.room.member', '@dora:a', join, 'create levels rules'],
      closed: ['@anna', 'm.room.join_rules', '', { join_rule: 'invite' }, A],
    }),
    states: [`${BASE.join(' ')} doraIn`.replace('rules', 'closed'), BASE.join(' ').replace('rules', 'closed')],
    answer: BASE.join(' ').replace('rules', 'closed'),
  },
  {
    title: 'version 12 starts from nothing and judges it by the rules that it names',
    versions: V21,
    strokes: () => ({
      doraIn: ['@dora', 'm.room.member', '@dora:a', join, 'create levels rules'],
      closed: ['@anna', 'm.room.join_rules', '', { join_rule: 'invite' }, A],
    }),
    states: [`${BASE.join(' ')} doraIn`.replace('rules', 'closed'), BASE.join(' ').replace('rules', 'closed')],
    answer: `${BASE.join(' ')} doraIn`.replace('rules', 'closed'),
  },
  {
    // doraAsked -> closed -> levels2, of which the first and the last are in conflict; emilIn -> rules
    title: 'in version 12 what lies between conflicted events is in the map when others are judged',
    versions: V21,
    strokes: (version) => between(version, 'levels2 annaIn closed'),
    states: BETWEEN,
    answer: 'create annaIn levels2 closed bertIn carlIn doraAsked',
  },
  {
    // doraAsked -> levels2; closed -> levels2; emilIn -> rules
    title: 'in version 12 what does not lie between them is not',
    versions: V21,
    strokes: (version) => between(version, 'levels2 annaIn'),
    states: BETWEEN,
    answer: 'create annaIn levels2 closed bertIn carlIn doraAsked emilIn',
  },
  {
    // base -+- otherRules (bert, with a state key)
    //       +- levels2 (bert gives up his level, later)
    title: 'join rules under another key are a power event by the text',
    versions: [...V2, ...V21],
    strokes: givingUp,
    states: [`${BASE.join(' ')} otherRules`, BASE.join(' ').replace('levels', 'levels2')],
    answer: `${BASE.join(' ').replace('levels', 'levels2')} otherRules`,
    reading: 'text',
  },
  {
    title: 'join rules under another key are an event like any other in the servers in use',
    versions: [...V2, ...V21],
    strokes: givingUp,
    states: [`${BASE.join(' ')} otherRules`, BASE.join(' ').replace('levels', 'levels2')],
    answer: BASE.join(' ').replace('levels', 'levels2'),
  },
]

describe('state resolution, drawn', () => {
  const drawn = CASES.flatMap((one) => one.versions.map((version) => [version, one.title, one] as const))

  it.each(drawn)('version %s: %s', (version, _title, one) => {
    const room = picture(version, { ...base(version), ...one.strokes(version) })
    const expected = one.answer.split(' ').sort().join(' ')
    expect(resolved(room, one.states, one.reading)).toBe(expected)
    expect(resolved(room, [...one.states, ...one.states].reverse(), one.reading)).toBe(expected)
  })

  it('answers nothing for no states, and the state itself for one', () => {
    const room = picture('11', base('11'))
    expect(resolved(room, [])).toBe('')
    expect(resolved(room, [BASE.join(' ')])).toBe([...BASE].sort().join(' '))
  })
})

describe.each(['11', '12'])('graphs that no honest server makes, in room version %s', (version) => {
  const state = BASE.join(' ')
  const sorted = (names: string) => names.split(' ').sort().join(' ')

  it('leaves out a circle of bans and what rests on it', () => {
    // bertOut -> carlOut -> bertOut; topic2 -> bertOut
    const room = picture(version, {
      ...base(version),
      bertOut: ['@anna', 'm.room.member', '@bert:a', ban, `${A} carlOut`],
      carlOut: ['@anna', 'm.room.member', '@carl:a', ban, `${A} bertOut`],
      topic1: ['@anna', 'm.room.topic', '', {}, A],
    })
    const out = state.replace('bertIn', 'bertOut').replace('carlIn', 'carlOut')
    expect(resolved(room, [`${state} topic1`, out])).toBe(sorted(`${state} topic1`))
  })

  it('takes nothing where nobody knows the create event', () => {
    const { create: _unknown, ...strokes } = base(version)
    const topic: Stroke = ['@anna', 'm.room.topic', '', {}, A]
    const room = picture(version, { ...strokes, topic })
    const rest = BASE.slice(1).join(' ')
    expect(resolved(room, [`${rest} topic`, rest])).toBe(sorted(rest))
  })

  it('answers nothing where every state is of unknown events', () => {
    const room = picture(version, base(version))
    expect(resolved(room, ['unknown1', 'unknown2'])).toBe('')
  })

  it('takes its time by the edges of a dense graph, not by its ways', () => {
    // Each of the bans names all before it: 2^300 ways lead through.
    const strokes = base(version)
    const names: string[] = []
    for (let index = 0; index < 300; index += 1) {
      strokes[`ban${index}`] = ['@anna', 'm.room.member', `@x${index}:a`, ban, `${A} ${names.join(' ')}`]
      names.push(`ban${index}`)
    }
    const room = picture(version, strokes)
    expect(resolved(room, [state, `${state} ${names.join(' ')}`])).toBe(sorted(`${state} ${names.join(' ')}`))
  })
})
