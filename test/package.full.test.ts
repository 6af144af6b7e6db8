import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './helpers/cli.ts'

const ROOT = resolve(import.meta.dirname, '..')
/** better-sqlite3 is compiled where no prebuilt file can be downloaded. */
const INSTALL_WITHIN_MS = 600_000

const NODES = ['20', '24']

test.each(NODES)(
  'the tarball runs with npm exec in an empty directory, on Node %s',
  async (version) => {
    const dir = temporaryDirectory()
    const env = installNode(version, dir)
    run('npm', ['pack', '--pack-destination', dir], ROOT)
    const tarball = readdirSync(dir).find((name) => name.endsWith('.tgz'))
    expect(tarball).toBeDefined()
    const files = execFileSync('tar', ['tzf', join(dir, tarball ?? '')], { encoding: 'utf8' }).split('\n')
    expect(files).toContain('package/oclif.manifest.json')
    expect(files).toContain('package/man/dendrite-create-account.1')
    expect(files.filter((name) => /\.(?:pem|key|crt|db|ya?ml)$/.test(name))).toEqual([
      'package/templates/dendrite.yaml',
    ])

    const cwd = join(dir, 'empty')
    mkdirSync(cwd)
    const cli = (...args: string[]) =>
      run('npm', ['exec', '--yes', `--package=${join(dir, tarball ?? '')}`, '--', 'dendrite', ...args], cwd, env)
    expect(cli('--version')).toMatch(new RegExp(`^dendrite/.* node-v${version}\\.`))
    cli('config', 'init', '--yes', '--server-name', 'a.test')
    cli('generate-keys', '--private-key', 'matrix_key.pem')
    expect(cli('migrate')).toContain('applied')
    expect(cli('create-account', '-u', 'alice', '--generate-password')).toContain('@alice:a.test created')

    const server = spawn(
      'npm',
      [
        'exec',
        '--yes',
        `--package=${join(dir, tarball ?? '')}`,
        '--',
        'dendrite',
        'serve',
        '--http-bind-address',
        '127.0.0.1:0',
      ],
      { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    )
    try {
      const url = await listeningAt(server)
      const versions = (await (await fetch(`${url}/_matrix/client/versions`)).json()) as { versions: string[] }
      expect(versions.versions).toContain('v1.1')
    } finally {
      if (server.exitCode === null && server.pid !== undefined) {
        const closed = new Promise((done) => server.on('close', done))
        process.kill(-server.pid, 'SIGTERM')
        await closed
      }
    }
  },
  INSTALL_WITHIN_MS,
)

/** The environment in which `node` is of that version, out of npm; what is compiled is compiled for it. */
function installNode(version: string, dir: string): NodeJS.ProcessEnv {
  const name = `node-${process.platform}-${process.arch}`
  const place = join(dir, 'node')
  mkdirSync(place)
  run('npm', ['install', '--no-audit', '--no-fund', '--prefix', place, `${name}@${version}`], place)
  const home = join(place, 'node_modules', name)
  const env = { ...process.env, PATH: `${join(home, 'bin')}${delimiter}${process.env.PATH}`, npm_config_nodedir: home }
  expect(run('node', ['--version'], place, env)).toMatch(new RegExp(`^v${version}\\.`))
  return env
}

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): string {
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** The first HTTP address that the log names. */
function listeningAt(server: ChildProcess): Promise<string> {
  let log = ''
  return new Promise((found, failed) => {
    server.stderr?.on('data', (chunk) => {
      log += chunk
      const match = /listening on (http:\/\/[^\s,"]+)/.exec(log)
      if (match?.[1] !== undefined) found(match[1])
    })
    server.on('close', () => failed(new Error(`The server ended: ${log}`)))
  })
}
