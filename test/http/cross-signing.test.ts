import { expect, test } from 'vitest'
import { signJson } from '../../src/core/sign.ts'
import { type CrossSigning, crossSigningOf, deviceKeysOf, type TestDevice } from '../helpers/device-keys.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'
import { enter, type Json, type Session } from '../helpers/session.ts'

const UPLOAD = '/keys/device_signing/upload'

eachServer({}, (server) => {
  let people = 100
  const person = (): Promise<Session> => enter(server, `person${people++}`)

  /** Somebody with keys of a device and of their own. */
  async function verified(): Promise<{ user: Session; device: TestDevice; own: CrossSigning }> {
    const user = await person()
    const [device, own] = [deviceKeysOf(user), crossSigningOf(user.userId)]
    await user.post('/keys/upload', { device_keys: device.keys })
    await user.post(UPLOAD, own.upload)
    return { user, device, own }
  }

  const password = ({ userId }: Session) => ({ type: 'm.login.password', user: userId, password: TEST_PASSWORD })
  const query = (by: Session, of: Session) => by.post('/keys/query', { device_keys: { [of.userId]: [] } })

  test('the first keys need no password, the same again neither, and other ones do', async () => {
    const { user, own } = await verified()
    await user.post(UPLOAD, own.upload)
    await user.post('/_matrix/client/unstable/keys/device_signing/upload', { master_key: own.upload.master_key })
    const other = crossSigningOf(user.userId).upload
    const challenge = await user.call('POST', UPLOAD, other)
    expect([challenge.status, challenge.body.flows]).toEqual([401, [{ stages: ['m.login.password'] }]])
    expect((await query(user, user)).master_keys).toEqual({ [user.userId]: own.upload.master_key })
    const { self_signing_key } = crossSigningOf(user.userId).upload
    expect(await user.refused('POST', UPLOAD, { ...other, self_signing_key })).toBe('400 M_INVALID_SIGNATURE')
    const session = challenge.body.session
    await user.post(UPLOAD, { ...other, auth: { ...password(user), session } })
    expect(await query(user, user)).toMatchObject({
      master_keys: { [user.userId]: other.master_key },
      self_signing_keys: { [user.userId]: other.self_signing_key },
      user_signing_keys: { [user.userId]: other.user_signing_key },
    })
  })

  test('with another master key alone the keys under the earlier one are gone', async () => {
    const { user } = await verified()
    const { master_key } = crossSigningOf(user.userId).upload
    await user.post(UPLOAD, { master_key, auth: password(user) })
    const found = await query(user, user)
    expect([found.master_keys, found.self_signing_keys, found.user_signing_keys]).toEqual([
      { [user.userId]: master_key },
      undefined,
      undefined,
    ])
  })

  test('an account that ends has no keys any more', async () => {
    const [{ user }, other] = [await verified(), await person()]
    await user.post('/account/deactivate', { auth: password(user) })
    const found = await query(other, user)
    expect([found.device_keys, found.master_keys]).toEqual([{ [user.userId]: {} }, undefined])
  })

  test('keys that are not what they should be are refused', async () => {
    const [user, other] = [await person(), await person()]
    const { master_key: master, self_signing_key: selfSigning } = crossSigningOf(user.userId).upload
    const refused = (keys: Json) => user.refused('POST', UPLOAD, keys)
    expect(await refused({})).toBe('400 M_MISSING_PARAM')
    expect(await refused({ self_signing_key: selfSigning })).toBe('400 M_MISSING_PARAM')
    for (const wrong of [
      { ...master, user_id: other.userId },
      { ...master, usage: ['self_signing'] },
      { ...master, usage: undefined },
      { ...master, keys: {} },
      { ...master, keys: { ...master.keys, ...selfSigning.keys } },
      { ...master, keys: { 'ed25519:name': 'short' } },
      { ...master, keys: { __proto__: 'x', constructor: 'y' } },
      { ...master, signatures: 'text' },
      { ...master, junk: 'x'.repeat(40_000) },
    ]) {
      expect(await refused({ master_key: wrong }), JSON.stringify(wrong).slice(0, 200)).toBe('400 M_INVALID_PARAM')
    }
    const forged = { ...selfSigning, signatures: { [user.userId]: { [Object.keys(master.keys)[0]!]: 'A'.repeat(86) } } }
    expect(await refused({ master_key: master, self_signing_key: forged })).toBe('400 M_INVALID_SIGNATURE')
    expect((await query(user, user)).master_keys).toBeUndefined()
    // A device of that name would be taken for the key.
    const named = await server.call('POST', '/_matrix/client/v3/login', {
      body: { ...password(user), device_id: Object.values(master.keys)[0] },
    })
    expect(named.status).toBe(200)
    expect(await refused({ master_key: master })).toBe('403 M_FORBIDDEN')
  })

  test('who shares a room hears of keys, and of the user-signing key its user alone, who alone sees it', async () => {
    const [alice, bob] = [await person(), await person()]
    await bob.join(await alice.createRoom({ preset: 'public_chat' }))
    const { master_key, self_signing_key, user_signing_key } = crossSigningOf(alice.userId).upload
    let [a, b] = [await alice.sync(), await bob.sync()]
    await alice.post(UPLOAD, { master_key, self_signing_key })
    ;[a, b] = [await alice.sync(a), await bob.sync(b)]
    const changed = { changed: [alice.userId] }
    expect([a.device_lists, b.device_lists]).toEqual([changed, changed])
    await alice.post(UPLOAD, { user_signing_key, auth: password(alice) })
    ;[a, b] = [await alice.sync(a), await bob.sync(b)]
    expect([a.device_lists, b.device_lists]).toEqual([changed, undefined])
    const [own, others] = [await query(alice, alice), await query(bob, alice)]
    expect(own.user_signing_keys).toEqual({ [alice.userId]: user_signing_key })
    expect([others.user_signing_keys, others.self_signing_keys]).toEqual([
      undefined,
      { [alice.userId]: self_signing_key },
    ])
  })

  test('signatures of own devices, the own master key and master keys of others count if they verify', async () => {
    const [alice, bob, carol] = [await verified(), await verified(), await verified()]
    await bob.user.join(await alice.user.createRoom({ preset: 'public_chat' }))
    const a = await alice.user.sync()
    const b = await bob.user.sync()
    const { userId, deviceId } = alice.user
    const device = signJson(alice.device.keys, userId, alice.own.selfSigning) as Json
    const master = signJson(alice.own.upload.master_key, userId, alice.device.key) as Json
    const bobs = signJson(bob.own.upload.master_key, userId, alice.own.userSigning) as Json
    const sign = (body: Json) => alice.user.post('/keys/signatures/upload', body)
    const signed = {
      [userId]: { [deviceId]: device, [alice.own.master.publicKey]: master },
      [bob.user.userId]: { [bob.own.master.publicKey]: bobs },
    }
    expect(await sign(signed)).toEqual({ failures: {} })
    const lists = (await alice.user.sync(a)).device_lists
    expect(lists.changed.sort()).toEqual([userId, bob.user.userId].sort())
    expect((await bob.user.sync(b)).device_lists).toEqual({ changed: [userId] })
    for (const { user } of [alice, bob]) {
      const found = await query(user, alice.user)
      expect(found.device_keys[userId][deviceId].signatures).toEqual(device.signatures)
      expect(found.master_keys[userId].signatures).toEqual(master.signatures)
    }
    const seen = async ({ user }: { user: Session }) => (await query(user, bob.user)).master_keys[bob.user.userId]
    expect(await seen(alice)).toEqual(bobs)
    expect([await seen(bob), await seen(carol)]).toEqual([bob.own.upload.master_key, bob.own.upload.master_key])
    // Other keys of the device: what was signed is no more.
    await alice.user.post('/keys/upload', { device_keys: deviceKeysOf(alice.user).keys })
    const anew = (await query(bob.user, alice.user)).device_keys[userId][deviceId]
    expect(Object.keys(anew.signatures[userId])).toEqual([`ed25519:${deviceId}`])
  })

  test('signatures that are forged, of other keys, or by keys that may not sign are passed over', async () => {
    const [alice, bob] = [await verified(), await verified()]
    const { userId, deviceId } = alice.user
    const forgery = crossSigningOf(userId)
    const fault = async (target: string, json: Json, of = userId) => {
      const reply = await alice.user.post('/keys/signatures/upload', { [of]: { [target]: json } })
      return reply.failures[of]?.[target]?.errcode
    }
    const selfSigned = signJson(alice.device.keys, userId, alice.own.selfSigning) as Json
    const [keyId] = [alice.own.selfSigning.keyId]
    const wrong = { ...selfSigned, signatures: { [userId]: { [keyId]: 'A'.repeat(86) } } }
    expect(await fault(deviceId, wrong)).toBe('M_INVALID_SIGNATURE')
    expect(await fault(deviceId, signJson(alice.device.keys, userId, forgery.selfSigning))).toBe('M_INVALID_SIGNATURE')
    expect(await fault(deviceId, alice.device.keys)).toBe('M_INVALID_SIGNATURE')
    expect(await fault(deviceId, signJson({ ...alice.device.keys, extra: 1 }, userId, alice.own.selfSigning))).toBe(
      'M_INVALID_PARAM',
    )
    expect(await fault('OTHER', selfSigned)).toBe('M_NOT_FOUND')
    // The self-signing key is for own devices, and nobody signs devices of others.
    const bobsMaster = signJson(bob.own.upload.master_key, userId, alice.own.selfSigning)
    expect(await fault(bob.own.master.publicKey, bobsMaster, bob.user.userId)).toBe('M_INVALID_SIGNATURE')
    const bobsDevice = signJson(bob.device.keys, userId, alice.own.userSigning)
    expect(await fault(bob.user.deviceId, bobsDevice, bob.user.userId)).toBe('M_NOT_FOUND')
    const found = await query(alice.user, alice.user)
    expect(found.device_keys[userId][deviceId].signatures).toEqual(alice.device.keys.signatures)
    expect(await alice.user.refused('POST', '/keys/signatures/upload', { 'no id': {} })).toBe('400 M_INVALID_PARAM')
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`D${n}`, {}]))
    expect(await alice.user.refused('POST', '/keys/signatures/upload', { [userId]: many })).toBe('413 M_TOO_LARGE')
  })
})
