import { expect, test } from 'vitest'
import { write } from '../../../src/actions/write.ts'
import type { ServerName } from '../../../src/core/ids.ts'
import { keepDestination, SERVER_ALIVE } from '../../../src/store/federation-outbox.ts'
import { logRows } from '../../../src/store/log.ts'
import { eachServer } from '../../helpers/each-server.ts'
import { enterAsAdmin } from '../../helpers/session.ts'

const PATH = '/_synapse/admin/v1/federation/destinations'

eachServer({}, (server) => {
  test('other servers are listed with how they answer, and one that is left alone is asked again', async () => {
    const root = await enterAsAdmin(server, 'root')
    const [good, away] = ['good.example', 'Away.example'] as ServerName[]
    const retryAt = server.app.clock.now() + 100_000
    const kept = [
      { server: good!, position: 7, failures: 0, retry_at: null },
      { server: away!, position: 5, failures: 3, retry_at: retryAt },
    ]
    await write(server.app, { guards: [], writes: kept.map(keepDestination), log: [] })
    const answers = {
      destination: good,
      retry_last_ts: 0,
      retry_interval: 0,
      failure_ts: null,
      last_successful_stream_ordering: 7,
    }
    const failed = retryAt - 32_000
    const silent = {
      destination: away,
      retry_last_ts: failed,
      retry_interval: 32_000,
      failure_ts: failed,
      last_successful_stream_ordering: 5,
    }
    expect(await root.get(PATH)).toEqual({ destinations: [silent, answers], total: 2 })
    expect(await root.get(`${PATH}?order_by=retry_interval&limit=1`)).toEqual({
      destinations: [answers],
      total: 2,
      next_token: '1',
    })
    expect((await root.get(`${PATH}?destination=AWAY`)).destinations).toEqual([silent])
    expect(await root.get(`${PATH}/${good}`)).toEqual(answers)
    expect(await root.get(`${PATH}/${good}/rooms`)).toEqual({ rooms: [], total: 0 })
    expect(await root.refusal('GET', `${PATH}/unknown.example`)).toBe('404 M_NOT_FOUND')

    const before = server.app.db.safePosition()
    expect(await root.refusal('POST', `${PATH}/${good}/reset_connection`, {})).toBe('400 M_UNKNOWN')
    await root.post(`${PATH}/${away}/reset_connection`, {})
    const rows = await logRows(server.app.db, before, server.app.db.safePosition(), 10)
    expect(rows.filter((row) => row.kind === SERVER_ALIVE).map((row) => row.subject)).toEqual([away])
  })
})
