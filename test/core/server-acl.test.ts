import { describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/core/json.ts'
import { serverAllowed } from '../../src/core/server-acl.ts'

const everyone = { allow: ['*'] }

describe('serverAllowed', () => {
  it('allows every server of a room without an access list', () => {
    expect(serverAllowed(undefined, 'any.example')).toBe(true)
  })

  it('denies every server when nothing is allowed', () => {
    expect(serverAllowed({}, 'any.example')).toBe(false)
    expect(serverAllowed({ allow: [] }, 'any.example')).toBe(false)
    expect(serverAllowed({ deny: ['evil.example'] }, 'any.example')).toBe(false)
  })

  it('lets deny win over allow, whatever the order of the keys', () => {
    const acl = { allow: ['*', 'evil.example'], deny: ['evil.example'] }
    expect(serverAllowed(acl, 'evil.example')).toBe(false)
    expect(serverAllowed(acl, 'good.example')).toBe(true)
  })

  it.each(['evil.example', 'evil.example:8448', 'evil.example:1', 'EVIL.example:65535', 'eViL.ExAmPlE'])(
    'knows evil.example in %s',
    (server) => {
      expect(serverAllowed({ ...everyone, deny: ['evil.example'] }, server)).toBe(false)
      expect(serverAllowed({ ...everyone, deny: ['Evil.EXAMPLE'] }, server)).toBe(false)
      expect(serverAllowed({ allow: ['EVIL.*'] }, server)).toBe(true)
    },
  )

  it('never matches a pattern with a port, because the port is not considered', () => {
    expect(serverAllowed({ ...everyone, deny: ['evil.example:8448'] }, 'evil.example:8448')).toBe(true)
  })

  it.each([
    ['*.evil.example', 'a.evil.example', true],
    ['*.evil.example', 'a.b.evil.example:80', true],
    ['*.evil.example', 'evil.example', false],
    ['*.evil.example', 'aevil.example', false],
    ['evil.example', 'not.evil.example', false],
    ['evil.example', 'evil.example.org', false],
    ['ev?l.example', 'evil.example', true],
    ['ev?l.example', 'evl.example', false],
    ['evil?example', 'evil.example', true],
    ['e.il.example', 'evil.example', false],
    ['[ab].example', 'a.example', false],
    ['(evil|bad).example', 'evil.example', false],
    ['', 'evil.example', false],
  ])('pattern %j against %s: %s', (pattern, server, matches) => {
    expect(serverAllowed({ ...everyone, deny: [pattern] }, server)).toBe(!matches)
    expect(serverAllowed({ allow: [pattern] }, server)).toBe(matches)
  })

  it.each(['1.2.3.4', '1.2.3.4:8448', '[::1]', '[2001:db8::5]:8448'])('knows the address literal %s', (server) => {
    expect(serverAllowed({ ...everyone, allow_ip_literals: false }, server)).toBe(false)
    expect(serverAllowed({ ...everyone, allow_ip_literals: true }, server)).toBe(true)
    expect(serverAllowed(everyone, server)).toBe(true)
  })

  it.each(['1.2.3.4.example', '1.2.3', 'a1.2.3.4', '1234.example'])('holds %s for a name', (server) => {
    expect(serverAllowed({ ...everyone, allow_ip_literals: false }, server)).toBe(true)
  })

  it.each<JsonValue>(['false', 0, null, []])('allows address literals when allow_ip_literals is %j', (value) => {
    expect(serverAllowed({ ...everyone, allow_ip_literals: value }, '1.2.3.4')).toBe(true)
  })

  it('matches an IPv6 literal with its brackets and without its port', () => {
    expect(serverAllowed({ ...everyone, deny: ['[2001:DB8::*]'] }, '[2001:db8::5]:8448')).toBe(false)
    expect(serverAllowed({ ...everyone, deny: ['[2001:db8:'] }, '[2001:db8::5]')).toBe(true)
  })

  it('reads lists of the wrong type as empty, and passes over entries of the wrong type', () => {
    expect(serverAllowed({ allow: '*' }, 'any.example')).toBe(false)
    expect(serverAllowed({ ...everyone, deny: { 0: '*' } }, 'any.example')).toBe(true)
    expect(serverAllowed({ allow: [1, null, ['*'], '*'], deny: [true, {}] }, 'any.example')).toBe(true)
  })

  it('does not take lists from a prototype', () => {
    const acl = Object.create({ allow: ['*'] }) as JsonObject
    expect(serverAllowed(acl, 'any.example')).toBe(false)
  })

  it('keeps to bounded work with hostile patterns', () => {
    const server = `${'a'.repeat(240)}.example`
    const patterns = Array.from({ length: 500 }, () => `*${'a*'.repeat(60)}b`)
    expect(serverAllowed({ ...everyone, deny: patterns }, server)).toBe(true)
  })
})
