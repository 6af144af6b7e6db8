import { expect, test } from 'vitest'
import { ConfigError } from '../../src/config/load.ts'
import { parseRegistration } from '../../src/config/registration.ts'
import type { ServerName } from '../../src/core/ids.ts'
import { createAppservices } from '../../src/live/appservices.ts'

const SERVER = 'a.org' as ServerName

function registrationOf(name: string, more = '', users = `@_${name}_.*`) {
  return parseRegistration(
    `id: ${name}\nurl: http://localhost:1/\nas_token: as-${name}\nhs_token: hs\nsender_localpart: ${name}bot
namespaces:\n  users: [{ exclusive: true, regex: '${users}' }]\n  aliases: [{ exclusive: true, regex: '#_${name}_.*' }]
${more}`,
    `${name}.yaml`,
  )
}

async function faultOf(...registrations: ReturnType<typeof registrationOf>[]): Promise<string> {
  const error = await createAppservices(registrations, SERVER).catch((fault) => fault)
  expect(error).toBeInstanceOf(ConfigError)
  return error.message
}

test('application services know their users, aliases and tokens', async () => {
  const appservices = await createAppservices([registrationOf('irc'), registrationOf('sms')], SERVER)
  const irc = appservices.byId('irc')!
  expect(irc).toMatchObject({ url: 'http://localhost:1', senderId: '@ircbot:a.org', rateLimited: true })
  expect(irc.hasUser('@_irc_bob:a.org')).toBe(true)
  expect(irc.hasUser('@ircbot:a.org')).toBe(true)
  expect(irc.hasUser('@_irc_bob:b.org')).toBe(false)
  expect(appservices.ownerOfUser('@_sms_1:a.org')).toBe(appservices.byId('sms'))
  expect(appservices.ownerOfUser('@ircbot:a.org')).toBe(irc)
  expect(appservices.ownerOfUser('@alice:a.org')).toBeUndefined()
  expect(appservices.ownerOfAlias('#_irc_room:a.org')).toBe(irc)
})

test('two with one id or token, or overlapping exclusive namespaces, are refused by the name of the file', async () => {
  expect(await faultOf(registrationOf('irc'), { ...registrationOf('sms'), id: 'irc' })).toMatch(
    /^sms\.yaml: id irc is that of irc\.yaml/,
  )
  const token = await faultOf(registrationOf('irc'), { ...registrationOf('sms'), as_token: 'as-irc' })
  expect(token).toBe('sms.yaml: as_token is that of irc.yaml too')
  expect(await faultOf(registrationOf('irc'), registrationOf('sms', '', '@_irc_x.*'))).toContain(
    '@_irc_x.* overlaps with @_irc_.* in irc.yaml',
  )
  expect(await faultOf(registrationOf('irc'), registrationOf('sms', '', '@ircb.*'))).toMatch(/^sms\.yaml: .*overlaps/)
  expect(await faultOf(registrationOf('irc', '', '@((a)\\1)'))).toMatch(/^irc\.yaml: namespaces\.users: /)
})

test('a registration names what is wrong, and where', () => {
  const faults = (text: string) => {
    try {
      parseRegistration(text, 'x.yaml')
    } catch (error) {
      return (error as ConfigError).faults
    }
    return []
  }
  expect(faults('- a')).toEqual(['must be a mapping'])
  expect(faults('id: a\nas_token: 5\n')).toEqual(
    expect.arrayContaining(['hs_token is missing', 'line 2: as_token must be string']),
  )
  expect(faults('id: a\nas_token: a\nhs_token: h\nsender_localpart: Bot\nurl: ftp://x')).toEqual([
    expect.stringMatching(/^sender_localpart: /),
    'url must begin with http://, https:// or unix://',
  ])
  expect(faults('id: a\nid: b')[0]).toMatch(/^line 2: /)
})

test('what the Go Dendrite and older bridges write is read', () => {
  const { namespaces, ...rest } = parseRegistration(
    `id: a\nurl: ''\nas_token: a\nhs_token: h\nsender_localpart: bot\nnamespaces:\n  users:\n  - regex: '@a_.*'
    exclusive: yes\n    group_id: '+x:y'\n  rooms:\nrate_limited: false\nde.sorunome.msc2409.push_ephemeral: true
org.matrix.msc3202: true\nio.element.msc4190: true\n`,
    'a.yaml',
  )
  expect(rest).toMatchObject({ url: null, rate_limited: false, receive_ephemeral: true, 'org.matrix.msc3202': true })
  expect(namespaces).toMatchObject({ users: [{ regex: '@a_.*', exclusive: true }], aliases: [], rooms: [] })
})
