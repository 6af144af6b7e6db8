import { expect, test } from 'vitest'
import { CommandError, describeFailure, EXIT } from '../../src/cli/exit-codes.ts'
import { ConfigError } from '../../src/config/load.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import { DatabaseUnavailable } from '../../src/db/database.ts'
import { DatabaseLocked, DatabaseNotMigrated, DatabaseTooNew, ForeignDatabase } from '../../src/db/errors.ts'
import { runCli, temporaryDirectory } from '../helpers/cli.ts'

test('--help names every command', async () => {
  const { code, stdout } = await runCli(['--help'])
  expect(code).toBe(0)
  for (const command of ['serve', 'generate-keys', 'create-account', 'migrate', 'config']) {
    expect(stdout).toContain(command)
  }
})

test('an unknown command exits 127', async () => {
  expect((await runCli(['no-such-command'])).code).toBe(127)
})

test('a wrong flag exits 2, under --json too, and no flag value leaks', async () => {
  const args = ['create-account', '--username', 'a', '--password', 'hunter22hunter', '--no-such-flag']
  const plain = await runCli(args)
  expect(plain.code).toBe(2)
  const json = await runCli([...args, '--json'])
  expect(json.code).toBe(2)
  expect(JSON.parse(json.stdout)).toEqual({
    error: { code: 'USAGE', exit: 2, message: expect.stringContaining('--no-such-flag') },
  })
  expect(json.stdout + json.stderr).not.toContain('hunter22hunter')
})

test('without a configuration the commands say so, with exit code 78', async () => {
  const cwd = temporaryDirectory()
  for (const args of [['migrate'], ['migrate', 'status'], ['config', 'check'], ['config', 'show']]) {
    const { code, stdout } = await runCli([...args, '--json', '--dir', cwd], { cwd })
    expect([args, code]).toEqual([args, EXIT.config])
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'NO_CONFIG', exit: EXIT.config })
  }
})

test.each([
  [new ConfigError('x', ['bad']), EXIT.config],
  [new DatabaseLocked('x'), EXIT.locked],
  [new DatabaseTooNew('x'), EXIT.config],
  [new ForeignDatabase('x'), EXIT.config],
  [new DatabaseNotMigrated('x'), EXIT.config],
  [new DatabaseUnavailable('x'), EXIT.unreachable],
  [new MatrixError('M_USER_IN_USE', 'x'), EXIT.conflict],
  [new MatrixError('M_NOT_FOUND', 'x'), EXIT.notFound],
  [new MatrixError('M_INVALID_USERNAME', 'x'), EXIT.failed],
  [Object.assign(new Error('listen EADDRINUSE :::8008'), { code: 'EADDRINUSE' }), EXIT.unreachable],
  [Object.assign(new Error('EROFS'), { code: 'EROFS' }), EXIT.denied],
  [new CommandError('x', { exit: EXIT.conflict }), EXIT.conflict],
])('%s has its exit code', (error, exit) => {
  expect(describeFailure(error)?.exit).toBe(exit)
})

test('an error that nobody foresaw is not explained away', () => {
  expect(describeFailure(new TypeError('x is not a function'))).toBeUndefined()
})
