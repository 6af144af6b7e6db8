import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inMemory, sweep } from './memory.ts'

const NAME = 'dendrite-tests-'

/**
 * Runs once before all test files, and before a PostgreSQL starts: what tests write lies in memory, where no disk is
 * waited for. `TMPDIR` names another place.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const memory = inMemory()
  if (process.env.TMPDIR !== undefined || memory === undefined) return async () => undefined
  sweep(memory, NAME)
  const dir = join(memory, `${NAME}${process.pid}`)
  mkdirSync(dir)
  // A PostgreSQL that root starts runs as somebody else.
  chmodSync(dir, 0o755)
  process.env.TMPDIR = dir
  const remove = () => rmSync(dir, { recursive: true, force: true })
  process.once('exit', remove)
  return async () => remove()
}
