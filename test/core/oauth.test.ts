import { describe, expect, test } from 'vitest'
import { readClient } from '../../src/core/oauth/client.ts'
import { OAuthError } from '../../src/core/oauth/error.ts'
import { isRegistered, sourceOf, withAnswer } from '../../src/core/oauth/redirect-uri.ts'
import { readScope } from '../../src/core/oauth/scope.ts'
import { makeUserCode, readUserCode } from '../../src/core/oauth/user-code.ts'

const fault = (read: () => unknown): string => {
  try {
    read()
    return 'good'
  } catch (error) {
    if (error instanceof OAuthError) return error.code
    throw error
  }
}

const asked = (application_type: string, uri: string, more: object = {}) =>
  fault(() => readClient({ client_uri: 'https://example.com/', redirect_uris: [uri], application_type, ...more }))

describe('a redirect URI', () => {
  test.each([
    'https://example.com/callback',
    'https://app.example.com/callback',
    'https://example.com:5173/?query=value',
  ])('%s is one of any client', (uri) => {
    expect([asked('web', uri), asked('native', uri)]).toEqual(['good', 'good'])
  })

  test.each([
    'com.example.app:/callback',
    'com.example:/',
    'com.example:callback',
    'http://localhost/callback',
    'http://127.0.0.1/callback',
    'http://[::1]/callback',
  ])('%s is one of native clients alone', (uri) => {
    expect([asked('web', uri), asked('native', uri)]).toEqual(['invalid_redirect_uri', 'good'])
  })

  test.each([
    ...['https://example.com/callback#fragment', 'http://example.com/callback', 'https://example.com.evil.org/'],
    ...['https://notexample.com/', 'https://user@example.com/', 'https://user:word@example.com/', 'https:example.com'],
    ...['https://localhost/callback', 'http://localhost:1234/callback', 'http://localhost:80/', 'http://u@localhost/'],
    ...['http://localhost.example.com/', 'http://localhost@example.com/', 'http://127.0.0.2/'],
    ...['example:/callback', 'com.example.app://callback', 'com.examples:/callback', 'com.example.app:/a#b'],
    ...['javascript:alert(1)', 'data:text/html,x', 'https://example.com/"onx="', 'https://example.com/\\evil.org', ''],
    ...['https://example.com/a b', 'https://example.com/\r\nX: y', 'https://exämple.com/'],
    ...['//example.com/', '/callback', 'https://ex;ample.com/'],
  ])('%s is none', (uri) => {
    expect([asked('web', uri), asked('native', uri)]).toEqual(['invalid_redirect_uri', 'invalid_redirect_uri'])
  })

  test('is the registered one letter by letter, and on this machine with any port', () => {
    const registered = ['https://example.com/a', 'com.example:/b', 'http://localhost/c', 'http://[::1]/c?d=e']
    const good = [...registered, 'http://localhost:1234/c', 'http://[::1]:65535/c?d=e']
    expect(good.filter((uri) => !isRegistered(registered, uri))).toEqual([])
    const bad = [
      ...['https://example.com/a/', 'https://example.com/A', 'https://example.com:443/a', 'https://example.com/a?b'],
      ...['com.example:/b/', 'com.example:/b?c', 'http://localhost:1234/', 'http://127.0.0.1:1234/c', ''],
      ...['https://localhost:1234/c', 'http://localhost:1234/c#x', 'http://x@localhost:1234/c', 'http://[::1]:1/c'],
    ]
    expect(bad.filter((uri) => isRegistered(registered, uri))).toEqual([])
  })

  test('takes the answer, and keeps what it has', () => {
    expect(withAnswer('https://a.example/?x=1', 'query', { code: 'a b' })).toBe('https://a.example/?x=1&code=a+b')
    expect(withAnswer('app.example:/', 'query', { code: 'c' })).toBe('app.example:/?code=c')
    expect(withAnswer('https://a.example/?x=1', 'fragment', { code: 'c' })).toBe('https://a.example/?x=1#code=c')
  })

  test('has a name in a policy of a page', () => {
    expect(sourceOf('https://a.example:444/x;y?z')).toBe('https://a.example:444')
    expect(sourceOf('http://localhost:12/x')).toBe('http://localhost:12')
    expect([sourceOf('http://[::1]:12/x'), sourceOf('app.example:/x')]).toEqual(['http:', 'app.example:'])
  })
})

describe('a client', () => {
  const uri = 'https://example.com/callback'

  test('is read as far as it is understood', () => {
    const known = {
      client_uri: 'https://example.com/',
      client_name: 'My App',
      logo_uri: 'https://cdn.example.com/logo.png',
      redirect_uris: [uri],
    }
    const grant_types = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:token-exchange']
    expect(readClient({ ...known, 'client_name#fr': 'Mon app', grant_types, foo: { bar: 1 } })).toEqual({
      ...known,
      application_type: 'web',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    })
  })

  test('without a browser has no address, and the grant of devices alone', () => {
    const device = 'urn:ietf:params:oauth:grant-type:device_code'
    const client = readClient({ client_uri: 'https://example.com/', grant_types: [device] })
    expect(client).toMatchObject({ grant_types: ['refresh_token', device], redirect_uris: [], response_types: [] })
    expect(asked('web', 'https://evil.org/', { grant_types: [device] })).toBe('invalid_redirect_uri')
  })

  test.each([
    [{ client_uri: undefined }],
    [{ client_uri: 'http://example.com/' }],
    [{ client_uri: 'https://user@example.com/' }],
    [{ client_uri: 'https://javascript/' }],
    [{ client_uri: 'https://[::1]/' }],
    [{ client_uri: 5 }],
    [{ tos_uri: 'https://elsewhere.org/' }],
    [{ policy_uri: 'javascript:alert(1)' }],
    [{ logo_uri: 'http://example.com/logo.png' }],
    [{ client_name: 'x'.repeat(201) }],
    [{ client_name: 'a\0b' }],
    [{ application_type: 'desktop' }],
    [{ token_endpoint_auth_method: 'client_secret_basic' }],
    [{ grant_types: ['refresh_token'] }],
    [{ response_types: ['token'] }],
    [{ grant_types: 'authorization_code' }],
  ])('is refused with %o', (more) => {
    expect(asked('web', uri, more)).toBe('invalid_client_metadata')
  })

  test('has an address, and not too many', () => {
    expect(fault(() => readClient([]))).toBe('invalid_client_metadata')
    expect(asked('web', uri, { redirect_uris: [] })).toBe('invalid_redirect_uri')
    expect(asked('web', uri, { redirect_uris: Array(21).fill(uri) })).toBe('invalid_redirect_uri')
    expect(asked('web', `${uri}${'x'.repeat(1_024)}`)).toBe('invalid_redirect_uri')
  })
})

describe('a code that a user types', () => {
  test('is read however it is typed, and each letter is as likely as the others', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n)
    expect(makeUserCode(bytes)).toBe('BCDF-GHJK')
    expect(makeUserCode(Uint8Array.of(...Array(24).fill(255), ...bytes))).toBe('BCDF-GHJK')
    for (const typed of ['BCDF-GHJK', ' bcdfghjk ', 'b c d f - g h j k']) expect(readUserCode(typed)).toBe('BCDF-GHJK')
    expect(readUserCode('BCDFGHJKL')).not.toBe('BCDF-GHJK')
  })
})

describe('a scope', () => {
  const [api, device] = ['urn:matrix:client:api:*', 'urn:matrix:client:device:']
  const old = ['urn:matrix:org.matrix.msc2967.client:api:*', 'urn:matrix:org.matrix.msc2967.client:device:']

  test('is granted in the spelling in which it was asked for, without what means nothing', () => {
    expect(readScope(`openid ${api} ${device}ABC`)).toEqual({ granted: `${api} ${device}ABC`, deviceId: 'ABC' })
    expect(readScope(`${old[0]} ${old[1]}a~!`)).toEqual({ granted: `${old[0]} ${old[1]}a~!`, deviceId: 'a~!' })
    const both = `${api} ${old[0]} ${device}A ${old[1]}A`
    expect(readScope(`${both} ${api}`)).toEqual({ granted: both, deviceId: 'A' })
  })

  test.each([
    '',
    'openid',
    api,
    `${device}ABC`,
    `${api} ${device}`,
    `${api} ${device}A ${device}B`,
    `${api} ${device}A ${old[1]}B`,
    `${api} ${device}${'x'.repeat(256)}`,
    `${api} ${device}a"b`,
    `${api} ${device}a\\b`,
    `${api} ${device}ä`,
  ])('"%s" is refused', (text) => {
    expect(fault(() => readScope(text))).toBe('invalid_scope')
  })
})
