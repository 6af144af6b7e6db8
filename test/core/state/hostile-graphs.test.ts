import { describe, expect, it } from 'vitest'
import { picture, resolved, type Stroke } from './room-picture.ts'

const join = { membership: 'join' }
const START: Record<string, Stroke> = {
  create: ['@anna', 'm.room.create', '', { creator: '@anna:a' }, ''],
  annaIn: ['@anna', 'm.room.member', '@anna:a', join, 'create'],
  levels: ['@anna', 'm.room.power_levels', '', { users: { '@anna:a': 100 } }, 'create annaIn'],
  rules: ['@anna', 'm.room.join_rules', '', { join_rule: 'public' }, 'create levels annaIn'],
}
const BASE = 'annaIn create levels rules'

describe.each(['1', '2', '10'])('graphs that no honest server makes, in room version %s', (version) => {
  it('passes over an event that nobody knows', () => {
    const room = picture(version, { ...START, topic: ['@anna', 'm.room.topic', '', {}, 'create levels annaIn'] })
    const names = resolved(room, [`${BASE} topic`, `${BASE} unknown1`, `${BASE} unknown2`])
    expect(names).toBe(`${BASE} topic`)
  })

  it('answers where authorities are missing', () => {
    const room = picture(version, {
      ...START,
      topic1: ['@anna', 'm.room.topic', '', {}, 'create levels annaIn'],
      topic2: ['@anna', 'm.room.topic', '', {}, 'create unknown annaIn', { ts: 1, depth: 1 }],
    })
    expect(resolved(room, [`${BASE} topic1`, `${BASE} topic2`])).toBe(`${BASE} topic1`)
  })

  it('answers where an event names itself', () => {
    const room = picture(version, {
      ...START,
      levels2: ['@anna', 'm.room.power_levels', '', { users: { '@anna:a': 100 } }, 'create annaIn levels2'],
    })
    const answer = resolved(room, [BASE, BASE.replace('levels', 'levels2')])
    expect(answer).toBe(version === '1' ? BASE.replace('levels', 'levels2') : BASE)
  })

  it('answers where events name each other', () => {
    const room = picture(version, {
      ...START,
      one: ['@anna', 'm.room.power_levels', '', { users: { '@anna:a': 99 } }, 'create annaIn two'],
      two: ['@anna', 'm.room.power_levels', '', { users: { '@anna:a': 98 } }, 'create annaIn one'],
    })
    const states = [BASE, BASE.replace('levels', 'one'), BASE.replace('levels', 'two')]
    const answer = resolved(room, states)
    expect(resolved(room, [...states].reverse())).toBe(answer)
    if (version !== '1') expect(answer).toBe(BASE)
  })

  it('walks a long line of levels without recursion', () => {
    const strokes: Record<string, Stroke> = { ...START }
    let last = 'levels'
    for (let index = 0; index < 20_000; index += 1) {
      strokes[`l${index}`] = [
        '@anna',
        'm.room.power_levels',
        '',
        { users: { '@anna:a': 100 } },
        `create annaIn ${last}`,
      ]
      last = `l${index}`
    }
    const answer = resolved(picture(version, strokes), [BASE, BASE.replace('levels', last)])
    expect(answer.split(' ')).toContain(last)
  })

  it('answers where an event rests on 10,000 others', () => {
    const strokes: Record<string, Stroke> = { ...START }
    const members = Array.from({ length: 10_000 }, (_, index) => `m${index}`)
    for (const name of members) {
      strokes[name] = [`@${name}`, 'm.room.member', `@${name}:a`, join, 'create levels rules']
    }
    const all = `create levels annaIn ${members.join(' ')}`
    strokes.levels2 = ['@anna', 'm.room.power_levels', '', { users: { '@anna:a': 100 }, ban: 1 }, all]
    const answer = resolved(picture(version, strokes), [BASE, BASE.replace('levels', 'levels2')])
    expect(answer).toContain('levels2')
  })

  it('resolves 10,000 conflicted memberships', () => {
    const strokes: Record<string, Stroke> = { ...START }
    const members = Array.from({ length: 10_000 }, (_, index) => `m${index}`)
    for (const name of members) {
      strokes[name] = [`@${name}`, 'm.room.member', `@${name}:a`, join, 'create levels rules']
      strokes[`${name}x`] = [`@${name}`, 'm.room.member', `@${name}:a`, join, `create levels rules ${name}`]
    }
    const room = picture(version, strokes)
    const after = members.map((name) => `${name}x`)
    const answer = resolved(room, [`${BASE} ${members.join(' ')}`, `${BASE} ${after.join(' ')}`])
    expect(answer.split(' ').filter((name) => name.endsWith('x'))).toHaveLength(10_000)
  })
})
