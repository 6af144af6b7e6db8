import { afterEach, describe, expect, test } from 'vitest'
import { type JsonValue, parseJson } from '../../src/core/json.ts'
import type { Json } from '../helpers/session.ts'
import { peers } from './peers.ts'

const met = peers()
afterEach(() => met.network.rewrite((_request, answer) => answer))

const PATHS = { join: '/make_join/', leave: '/make_leave/', knock: '/make_knock/' } as const
type Membership = keyof typeof PATHS

/** What the server that is asked for a template puts into it. */
const LIES: Readonly<Record<string, (template: Json) => void>> = {
  'another sender': (template) => (template.event.sender = '@alice:a.example'),
  'another user': (template) => (template.event.state_key = '@carol:b.example'),
  'no user': (template) => delete template.event.state_key,
  'another type': (template) => (template.event.type = 'm.room.power_levels'),
  'another room': (template) => (template.event.room_id = '!other:a.example'),
  'a ban': (template) => (template.event.content = { membership: 'ban' }),
  'an invite': (template) => (template.event.content.membership = 'invite'),
  'power levels': (template) => (template.event.content.users = { '@alice:a.example': 100 }),
  'a redaction': (template) => (template.event.redacts = '$event'),
  'more keys': (template) => Object.assign(template.event, { extra: 1, unsigned: { a: 1 }, hashes: { sha256: 'x' } }),
  'a signature': (template) => (template.event.signatures = { 'b.example': { 'ed25519:x': 'AAAA' } }),
  'another time': (template) => (template.event.origin_server_ts = 1),
  'strange references': (template) => Object.assign(template.event, { prev_events: [7, null], auth_events: 'none' }),
  'an endless past': (template) => (template.event.prev_events = Array(500).fill(`$${'A'.repeat(43)}`)),
  'a strange depth': (template) => (template.event.depth = 1e300),
  'another version': (template) => (template.room_version = '1'),
  'no version that there is': (template) => (template.room_version = 'none'),
  'a number for a version': (template) => (template.room_version = 10),
  'no event': (template) => delete template.event,
  'a list': (template) => (template.event = []),
  'content that is none': (template) => (template.event.content = 'join'),
}

/** What b signs when it is answered so; nothing of it is taken. */
async function signedFor(membership: Membership, roomId: string, lie: (template: Json) => void): Promise<Json[]> {
  const signed: Json[] = []
  met.network.rewrite((request, answer) => {
    if (request.uri.includes('/send_')) {
      signed.push(parseJson(request.body!))
      return { status: 403, body: Buffer.from('{"errcode":"M_FORBIDDEN","error":"no"}') }
    }
    if (!request.uri.includes(PATHS[membership])) return answer
    const template: Json = JSON.parse(answer.body.toString())
    lie(template)
    return { status: 200, body: Buffer.from(JSON.stringify(template)) }
  })
  const room = encodeURIComponent(roomId)
  if (membership === 'leave') await met.bob.call('POST', `/rooms/${room}/leave`, {})
  else await met.bob.call('POST', `/${membership}/${room}?via=a.example`, {})
  return signed
}

function room(membership: Membership): Promise<string> {
  const rules: JsonValue = { join_rule: membership === 'knock' ? 'knock' : 'public' }
  return met.alice.createRoom({
    room_version: '10',
    invite: membership === 'leave' ? [met.bob.userId] : [],
    initial_state: [{ type: 'm.room.join_rules', state_key: '', content: rules }],
  })
}

describe('S2: of a template nothing is signed but what was asked for', () => {
  test.each(['join', 'leave', 'knock'] as const)('to %s', { timeout: 120_000 }, async (membership) => {
    const shared = membership === 'leave' ? undefined : await room(membership)
    const honest = await signedFor(membership, shared ?? (await room(membership)), () => undefined)
    expect(honest).toHaveLength(1)
    for (const [name, lie] of Object.entries(LIES)) {
      // Who rejects an invite has left whatever the other server says: each time it takes another room.
      const roomId = shared ?? (await room(membership))
      for (const event of await signedFor(membership, roomId, lie)) {
        const { type, sender, state_key, room_id, content, signatures } = event
        const what = { type, sender, state_key, room_id, membership: content.membership, by: Object.keys(signatures) }
        const user = met.bob.userId
        const asked = { type: 'm.room.member', sender: user, state_key: user, room_id: roomId, membership }
        expect([name, what]).toEqual([name, { ...asked, by: ['b.example'] }])
        expect([name, Object.keys(event).filter((key) => !(key in honest[0]!))]).toEqual([
          name,
          name === 'another version' ? ['event_id'] : [],
        ])
        expect(Object.keys(content).filter((key) => !['membership', 'displayname'].includes(key))).toEqual([])
        expect(event.prev_events.length).toBeLessThanOrEqual(20)
      }
    }
  })
})
