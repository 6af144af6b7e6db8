import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect } from 'vitest'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { type CliResult, runCli } from '../helpers/cli.ts'

const PRELOAD = resolve(import.meta.dirname, '../helpers/preload/kill-at-statement.cjs')

/**
 * Migrates databases that nobody has touched, and kills the command before so many of its statements, evenly spread.
 * Every time the schema is the old one or a whole newer one, and a second try ends well. `prepare` makes a
 * configuration with a new database.
 */
export async function killMigrations(prepare: () => Promise<string>, kills: number): Promise<void> {
  const statements = await countStatements(await prepare())
  expect(statements).toBeGreaterThan(50)
  const seen = new Set<number>()
  for (let kill = 1; kill <= kills; kill++) {
    const config = await prepare()
    const killed = await migrate(config, Math.ceil((kill * statements) / kills))
    expect(killed.code).toBe(null)
    seen.add(await expectWhole(config))
    expect((await runCli(['migrate', '--config', config])).code).toBe(0)
    expect(await expectWhole(config)).toBe(MIGRATIONS.length)
  }
  // Most of them have to fall into the work itself.
  expect(seen.has(0)).toBe(true)
}

async function countStatements(config: string): Promise<number> {
  expect((await migrate(config, 0)).code).toBe(0)
  return Number(readFileSync(countFile(config), 'utf8'))
}

function migrate(config: string, killAt: number): Promise<CliResult> {
  const env = { NODE_OPTIONS: `--require ${PRELOAD}`, KILL_AT: String(killAt), COUNT_FILE: countFile(config) }
  return runCli(['migrate', '--config', config], { env })
}

const countFile = (config: string) => `${config}.statements`

/** The number of the schema, by what `migrate status` says. */
async function expectWhole(config: string): Promise<number> {
  const { code, stdout } = await runCli(['migrate', 'status', '--config', config, '--json'])
  expect(code).toBe(0)
  const { current, pending } = JSON.parse(stdout)
  expect(pending).toHaveLength(MIGRATIONS.length - current)
  return current
}
