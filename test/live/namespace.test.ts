import { describe, expect, test } from 'vitest'
import { exactly, namespaceCompiler, overlap } from '../../src/live/namespace.ts'

const compile = await namespaceCompiler()

describe('a namespace', () => {
  test.each([
    ['@_irc_.*', '@_irc_bob:a.org', true],
    ['^@_irc_.*:a\\.org$', '@_irc_bob:a.org', true],
    ['^@_irc_.*:a\\.org$', '@_irc_bob:a.org.evil', false],
    ['_irc_', '@_irc_bob:a.org', false],
    ['@(?i:IRC)_[0-9]+', '@irc_7:a.org', true],
    [exactly('@b.t:a.org'), '@b.t:a.org', true],
    [exactly('@b.t:a.org'), '@bxt:a.org', false],
    [exactly('@b.t:a.org'), '@b.t:a.orgs', false],
  ])('%s has %s: %s', (regex, id, expected) => {
    expect(compile({ regex }).has(id)).toBe(expected)
  })

  test('takes linear time for an expression that costs others years', () => {
    const namespace = compile({ regex: '@((a+)+)+$' })
    expect(namespace.has(`@${'a'.repeat(250)}!`)).toBe(false)
    expect(compile({ regex: '@(.*)*(.*)*(.*)*x{50}y' }).has(`@${'x'.repeat(250)}`)).toBe(false)
  })

  test.each(['@(', '@(?=a)', '@(a)\\1', '@(a{900}){900}', '@[z-a]'])('%s is refused', (regex) => {
    expect(() => compile({ regex })).toThrow()
  })
})

describe('two namespaces', () => {
  test.each([
    ['@irc_.*', '@xmpp_.*', false],
    ['@irc_.*', '@irc_x.*', true],
    ['@irc_.*', '@irc_.*', true],
    // What only begins alike overlaps, as nothing ends the first.
    ['@irc', '@irc_.*', true],
    ['@irc:a\\.org', '@irc_.*:a\\.org', false],
    ['@.*_irc:a\\.org', '@x_.*:a\\.org', true],
    ['@.*_irc:a\\.org$', '@.*_xmpp:a\\.org$', false],
    ['@[a-f]+:a\\.org$', '@[g-z]+:a\\.org$', false],
    ['@[a-f]+:a\\.org$', '@[f-z]+:a\\.org$', true],
    ['@(?i:irc)_.*', '@IRC_.*', true],
    ['@(irc|sms)_.*', '@(xmpp|sms)_.*', true],
    ['@(irc|sms)_.*', '@(xmpp|mms)_.*', false],
    ['@[^_]+_a$', '@b_a_', false],
    ['@a{3}:', '@a{2,4}:', true],
    ['@a{5}:', '@a{2,4}:', false],
    ['@a$', '@a', true],
    ['@a$', '@ab', false],
    [exactly('@bot:a.org'), '@b.*', true],
    [exactly('@bot:a.org'), '@bots.*', false],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(overlap(compile({ regex: a }), compile({ regex: b }))).toBe(expected)
    expect(overlap(compile({ regex: b }), compile({ regex: a }))).toBe(expected)
  })

  test('overlap wherever an id is found that both have', () => {
    const pieces = ['@a.*', '@[ab]b*:', '@(a|b)c?:x$', '@.c:', '@ab+', '@c[^a]*a$', '@\\w+:x', '@a?b?c?:x$']
    const letters = ['a', 'b', 'c']
    const names = letters.flatMap((x) => [x, ...letters.flatMap((y) => [x + y, ...letters.map((z) => x + y + z)])])
    const ids = names.flatMap((name) => [`@${name}:x`, `@${name}`])
    for (const a of pieces.map((regex) => compile({ regex })))
      for (const b of pieces.map((regex) => compile({ regex })))
        if (ids.some((id) => a.has(id) && b.has(id))) expect([a.regex, b.regex, overlap(a, b)]).toContain(true)
  })
})
