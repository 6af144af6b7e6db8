import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'vitest'
import { eachEngine } from '../helpers/databases.ts'
import { prepareServer } from '../helpers/server-process.ts'
import { killMigrations } from './migrate-killed.ts'

const KILLS = 40

eachEngine((engine, fresh) => {
  const dirs: string[] = []
  afterEach(() => {
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
  })

  test(`migrate, killed at ${KILLS} statements, leaves the old schema or a new one`, async () => {
    const prepare = async () => {
      const { options } = await fresh('empty')
      const dir = mkdtempSync(join(tmpdir(), 'dendrite-migrate-'))
      dirs.push(dir)
      return prepareServer(dir, engine === 'postgres' ? options.connectionString : undefined)
    }
    await killMigrations(prepare, KILLS)
  })
})
