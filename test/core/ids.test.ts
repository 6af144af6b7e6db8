import { describe, expect, test } from 'vitest'
import {
  isEventId,
  isHistoricalUserId,
  isRoomAlias,
  isRoomId,
  isServerName,
  isValidUserId,
  localpartFault,
  localpartOf,
  type ServerName,
  serverNameOf,
  userId,
} from '../../src/core/ids.ts'

describe('isServerName', () => {
  test.each([
    ...['matrix.org', 'matrix.org:8888', '1.2.3.4', '1.2.3.4:1234', '[1234:5678::abcd]', '[1234:5678::abcd]:5678'],
    ...['localhost', 'MATRIX.org', 'a-b.c', '[::1]:65535', '[::ffff:1.2.3.4]', 'x'.repeat(255)],
  ])('accepts %s', (name) => expect(isServerName(name)).toBe(true))

  test.each([
    ...['', ':', ':80', 'a:', 'a:b', 'a:1:2', 'a:123456', 'a:65536', '[::1', '::1', '[]', '[g::]', '[::1]x', '[::1]80'],
    ...['a b', 'a/b', 'a@b', 'ä.de', 'a\0', 'a\n', '256.1.1.1', '1.2.3.0004', 'x'.repeat(256), 'a_b'],
  ])('refuses %j', (name) => expect(isServerName(name)).toBe(false))
})

describe('user ids', () => {
  test('of new accounts have few characters', () => {
    expect(isValidUserId('@a-z0.9_=/+:example.org:8448')).toBe(true)
    for (const id of ['@A:b', '@:b', '@ä:b', '@a', 'a:b', '@a:', '@a b:c', '@a!:b', `@${'a'.repeat(253)}:b`]) {
      expect(isValidUserId(id)).toBe(false)
    }
  })

  test('of old accounts may have any other, but for colon, NUL and halves of pairs', () => {
    for (const id of ['@A:b', '@:b', '@ä😀\n:b', '@a b!:c', `@${'a'.repeat(252)}:b`]) {
      expect(isHistoricalUserId(id)).toBe(true)
    }
    for (const id of ['@a\0:b', '@\ud800:b', '@a:b:c', '@a', '!a:b', '', `@${'ä'.repeat(127)}:b`]) {
      expect(isHistoricalUserId(id)).toBe(false)
    }
  })

  test('are put together and taken apart', () => {
    const id = userId('alice', 'example.org:80' as ServerName)
    expect([id, localpartOf(id), serverNameOf(id)]).toEqual(['@alice:example.org:80', 'alice', 'example.org:80'])
    expect([localpartOf('!abc'), serverNameOf('!abc')]).toEqual(['abc', ''])
  })
})

test('localpartFault says what is wrong with a user name', () => {
  expect(localpartFault('a.b_c=d/e+f-0')).toBeUndefined()
  expect(localpartFault('')).toContain('empty')
  // The Kelvin sign becomes a k in lower case.
  for (const name of ['Alice', 'a:b', 'a b', '\u212a', 'ä', '@a', 'a\n']) expect(localpartFault(name)).toContain('a-z')
})

test('room ids have a server or are a hash', () => {
  for (const id of ['!a:b', '!ä :b:80', `!${'x'.repeat(43)}`]) expect(isRoomId(id)).toBe(true)
  for (const id of ['!', '!:', '!a:', 'a:b', '!a:b c', '!a\0:b', '!\ud800', `!${'x'.repeat(255)}`]) {
    expect(isRoomId(id)).toBe(false)
  }
})

test('room aliases have a name and a server', () => {
  for (const id of ['#a:b', '#ä #:b:80', '#:b']) expect(isRoomAlias(id)).toBe(true)
  for (const id of ['#a', 'a:b', '#a:b:c', '#a\0:b', `#${'x'.repeat(253)}:b`]) expect(isRoomAlias(id)).toBe(false)
})

test('event ids are opaque', () => {
  for (const id of ['$a', '$a:b', '$a/b+c']) expect(isEventId(id)).toBe(true)
  for (const id of ['$', 'a', '', '$\0', `$${'x'.repeat(255)}`]) expect(isEventId(id)).toBe(false)
})
