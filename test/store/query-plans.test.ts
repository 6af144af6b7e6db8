import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { EventId, ServerName } from '../../src/core/ids.ts'
import type { Database } from '../../src/db/database.ts'
import { render } from '../../src/db/render.ts'
import type { Sql } from '../../src/db/sql.ts'
import { forgetAllDevices, forgetDevices } from '../../src/store/devices.ts'
import { unusedNames, unwantedPreviews } from '../../src/store/media.ts'
import { presenceAround, presenceOfMet, presenceSince } from '../../src/store/presence.ts'
import { dueRoom, eventsOlderThan } from '../../src/store/purge.ts'
import { redactionsOf } from '../../src/store/redactions.ts'
import { oldRows } from '../../src/store/retention.ts'
import { insertLogin } from '../../src/store/sessions.ts'
import { stateAt, wasWorldReadableAfter } from '../../src/store/state.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures')
const newest = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('-sqlite.sql'))
  .sort()
  .at(-1)!

/** How SQLite would find the rows of a statement. */
function planOf(query: Sql): string {
  const { statement, values } = render(query, 'sqlite', [1])
  const db = new Sqlite(':memory:')
  db.exec(readFileSync(join(FIXTURES, newest), 'utf8'))
  const rows = db.prepare(`EXPLAIN QUERY PLAN ${statement.text}`).all(...values) as { detail: string }[]
  db.close()
  return rows.map(({ detail }) => detail).join('\n')
}

/** The same of the first query that `ask` makes. */
async function planOfQuery(ask: (db: Database) => Promise<unknown>): Promise<string> {
  let asked: Sql | undefined
  const recorder = {
    read: async (query: Sql) => {
      asked ??= query
      return []
    },
  }
  await ask(recorder as unknown as Database)
  return planOf(asked!)
}

test('old messages are found by their time, from where the last look ended', async () => {
  const looked = { room: 1, purged_ts: 5, purged_event: 7, late: 0 }
  const plan = await planOfQuery((db) => eventsOlderThan(db, looked, 1_000, 50))
  expect(plan).toContain('USING INDEX events_time (room=? AND origin_server_ts')
  expect(await planOfQuery((db) => dueRoom(db, 1_000))).toContain('USING INDEX retention_rooms_due')
})

test('an event of another server is not compared with all of its room', async () => {
  const plan = await planOfQuery((db) => redactionsOf(db, 1, '$event' as EventId))
  expect(plan).toContain('USING INDEX events_redacts')
})

test('the state at an event is read from its own snapshots, whatever of it is wanted', async () => {
  for (const members of [undefined, ['@alice:test.example']])
    for (const others of [true, false]) {
      const plan = await planOfQuery((db) => stateAt(db, 1, { members, others }))
      expect(plan).toContain('SEARCH c USING INDEX sqlite_autoindex_snapshot_changes_1 (snapshot=?')
    }
})

test('a sync looks at the presence of those alone who changed, or whom its user has met', async () => {
  const changed = await planOfQuery((db) => presenceSince(db, '@alice:test.example', 1))
  expect(changed).toContain('SEARCH p USING INDEX presence_position (position>?)')
  expect(changed).toContain('SEARCH theirs USING INDEX memberships_user (user_id=?')
  const met = await planOfQuery((db) => presenceOfMet(db, '@alice:test.example', 1))
  const first = await planOfQuery((db) => presenceAround(db, '@alice:test.example'))
  for (const plan of [met, first]) {
    expect(plan).toContain('SEARCH p USING INDEX sqlite_autoindex_presence_1 (user_id=?)')
    expect(plan).toContain('SEARCH theirs USING INDEX memberships_room (room=?')
  }
})

test('what nobody wants is found among the files without going through all of them', async () => {
  const names = await planOfQuery((db) => unusedNames(db, 1, 1))
  expect(names).toContain('SEARCH media USING INDEX media_reserved (expires_ts<?)')
  const previews = await planOfQuery((db) => unwantedPreviews(db, 'test.example' as ServerName, 1, 1))
  expect(previews).toContain('SEARCH media USING INDEX media_unowned (origin=? AND last_access_ts<?)')
})

test('who logs in or out is not looked for among all pushers', () => {
  const hash = new Uint8Array(1)
  const login = { session: 1, userId: '@alice:test.example', deviceId: 'A', tokenHash: hash, refreshHash: null }
  const more = { family: null, grant: null, expiresMs: null, nowMs: 1 }
  const writes = [
    ...insertLogin({ ...login, ...more }, null),
    ...forgetDevices('@alice:test.example', ['A']),
    ...forgetAllDevices('@alice:test.example'),
  ]
  const plans = writes.map(planOf)
  expect(plans.filter((plan) => plan.includes('SEARCH pushers USING INDEX'))).toHaveLength(3)
  expect(plans.filter((plan) => plan.includes('SCAN pushers'))).toEqual([])
})

test('whether a room was open is asked of its openings, not of all that ever changed there', async () => {
  const plan = await planOfQuery((db) => wasWorldReadableAfter(db, 1, 1))
  expect(plan.match(/state_changes_visibility \(room=\?/g)).toHaveLength(2)
})

test('what is forgotten for its age is found by an index where other servers could fill the table', () => {
  const ages = { nowMs: 9, clientTransactionsMs: 8, serverTransactionsMs: 7, redactedMs: 6, oauthClientsMs: 5 }
  const plans = oldRows({ ...ages, presenceMs: 4 }, 10).map(({ any }) => planOf(any))
  const found = ['transactions_age', 'received_transactions_age', 'received_messages_age', 'redacted_originals_age']
  for (const index of found) expect(plans.filter((plan) => plan.includes(`INDEX ${index} `)).length).toBe(1)
})
