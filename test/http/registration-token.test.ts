import { expect, test } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'

const register = '/_matrix/client/v3/register'
const validity = '/_matrix/client/v1/register/m.login.registration_token/validity?token='
const type = 'm.login.registration_token'

eachServer({ registration_requires_token: true }, (server) => {
  async function makeToken(token: string, uses: number | null, expiresMs: number | null): Promise<void> {
    const row = sql`INSERT INTO registration_tokens (token, uses_allowed, expires_ts)
      VALUES (${token}, ${uses}, ${expiresMs})`
    await server.app.db.commit({ guards: [], writes: [row], log: [] })
  }

  const ask = (username: string, auth?: object) =>
    server.call('POST', register, { body: { username, password: TEST_PASSWORD, ...(auth && { auth }) } })
  const isValid = async (token: string) => (await server.call('GET', `${validity}${token}`)).body.valid

  test('a token opens the door as often as it may', async () => {
    await makeToken('twice', 2, null)
    const challenge = await ask('anna')
    expect([challenge.status, challenge.body.flows]).toEqual([401, [{ stages: [type] }]])
    expect((await ask('anna', { type: 'm.login.dummy' })).status).toBe(401)
    expect((await ask('anna', { type, token: 'guessed' })).status).toBe(401)
    expect((await ask('anna', { type, token: 'twice', session: challenge.body.session })).status).toBe(200)
    expect(await isValid('twice')).toBe(true)
    const crowd = await Promise.all(['b', 'c', 'd', 'e'].map((name) => ask(name, { type, token: 'twice' })))
    expect(crowd.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await isValid('twice')).toBe(false)
  })

  test('a token ends at its time', async () => {
    await makeToken('old', null, server.app.clock.now())
    await makeToken('new', null, server.app.clock.now() + 60_000)
    expect([await isValid('old'), await isValid('new'), await isValid('none')]).toEqual([false, true, false])
    expect((await ask('zoe', { type, token: 'old' })).status).toBe(401)
    expect((await server.call('GET', `${validity}${'x'.repeat(65)}`)).body.errcode).toBe('M_INVALID_PARAM')
    expect((await server.call('GET', `${validity}%20`)).body.errcode).toBe('M_INVALID_PARAM')
  })
})
