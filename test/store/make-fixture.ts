import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Dialect } from '../../src/db/sql.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { registrationText } from '../helpers/appservice.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { startTestServer } from '../helpers/server.ts'
import { fixturePath, openRaw, readTables, renderFixture } from './fixtures.ts'
import { POPULATED_ROOMS, populate } from './populate.ts'

/** Makes the fixtures of the newest schema, one an engine: `npm run fixture`. */
async function main(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'dendrite-fixture-'))
  const postgres = await startPostgres()
  try {
    await make('sqlite', `file:${join(dir, 'dendrite.db')}`)
    await make('postgres', postgres.uri)
  } finally {
    await postgres.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

async function make(dialect: Dialect, connectionString: string): Promise<void> {
  // It is never there, so that what it is told stays to be seen.
  const registrations = [registrationText('http://127.0.0.1:9', { namespaces: { rooms: [{ regex: '.*' }] } })]
  const email = { smtp_host: '127.0.0.1', smtp_port: 9, from: 'Dendrite <matrix@test.example>' }
  const features = { registrations, roomServer: POPULATED_ROOMS }
  const server = await startTestServer({ email, oauth: { enabled: true } }, connectionString, features)
  const known = await populate(server).finally(() => server.stop())
  const raw = await openRaw(connectionString)
  const tables = await readTables(raw, dialect)
  await raw.close()
  const script = renderFixture(MIGRATIONS, dialect, known, tables)
  const path = fixturePath(MIGRATIONS.at(-1)!.number, dialect)
  await writeFile(path, script)
  const empty = [...tables].filter(([, { rows }]) => rows.length === 0).map(([table]) => table)
  process.stdout.write(`${path}: ${Math.ceil(script.length / 1_024)} kB\n  no rows yet in ${empty.join(', ')}\n`)
}

await main()
