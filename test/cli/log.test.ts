import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLog } from '../../src/cli/log.ts'
import { configFrom } from '../../src/config/load.ts'
import { temporaryDirectory } from '../helpers/cli.ts'

const GLOBAL = { server_name: 'a.test', private_key: 'k', database: { connection_string: 'file:a.db' } }
const configWith = (logging: unknown) => configFrom({ version: 2, global: GLOBAL, logging })

function linesOf(path: string): Record<string, unknown>[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line))
}

test('a log goes to a file, appended, from its level on, without secrets', async () => {
  const dir = temporaryDirectory()
  const config = configWith([{ type: 'file', level: 'warn', params: { path: './logs' } }])
  for (const name of ['first', 'second']) {
    const log = await openLog(config, { dir })
    log.info('not so important')
    log.warn({ user: { password: 'hunter2' } }, name)
  }
  expect(linesOf(join(dir, 'logs/dendrite.log'))).toMatchObject([
    { level: 40, msg: 'first', user: { password: '[hidden]' } },
    { level: 40, msg: 'second' },
  ])
})

test('every file has its own level, and the flag wins over all', async () => {
  const dir = temporaryDirectory()
  const output = (level: string) => ({ type: 'file', level, params: { path: level } })
  const config = configWith([output('error'), output('debug')])
  const log = await openLog(config, { dir })
  log.debug('detail')
  log.error('trouble')
  expect(linesOf(join(dir, 'error/dendrite.log'))).toMatchObject([{ msg: 'trouble' }])
  expect(linesOf(join(dir, 'debug/dendrite.log'))).toMatchObject([{ msg: 'detail' }, { msg: 'trouble' }])
  const loud = await openLog(config, { dir, level: 'trace' })
  loud.trace('everything')
  expect(linesOf(join(dir, 'error/dendrite.log')).at(-1)).toMatchObject({ msg: 'everything' })
})

test('what cannot be logged to is refused', () => {
  expect(() => configWith([{ type: 'syslog' }])).toThrow(/logging/)
})
