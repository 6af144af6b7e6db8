// Bundles the commands and the server into dist/dendrite.cjs. Does nothing when the bundle is newer than every source,
// and nothing but say so when esbuild is absent, as after `npm ci --omit=dev`.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const outfile = join(root, 'dist', 'dendrite.cjs')
const inputs = ['commands', 'src', 'package.json', 'package-lock.json', 'scripts/build.js']

// Natives, what oclif shares with its plugins, and optional packages that the bundled ones ask for.
const external = [
  '@oclif/core',
  '@oclif/plugin-*',
  'better-sqlite3',
  '@node-rs/argon2',
  'pg-native',
  'sharp',
  'typescript',
]

if (!process.argv.includes('--force') && modifiedAt(outfile) > Math.max(...inputs.map(newest))) {
  console.log('dist/dendrite.cjs is up to date.')
} else {
  const esbuild = await import('esbuild').catch(() => undefined)
  if (esbuild === undefined) console.log('esbuild is not installed: dist/ is left as it is.')
  else await build(esbuild)
}

async function build(esbuild) {
  mkdirSync(join(root, 'dist'), { recursive: true })
  const draft = `${outfile}.${process.pid}`
  try {
    await esbuild.build({
      absWorkingDir: root,
      entryPoints: ['commands/index.ts'],
      outfile: draft,
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format: 'cjs',
      external,
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'eof',
      logLevel: 'warning',
    })
    renameSync(draft, outfile)
  } catch (error) {
    rmSync(draft, { force: true })
    if (error.errors === undefined) throw error
    process.exit(1)
  }
  console.log(`dist/dendrite.cjs: ${Math.round(statSync(outfile).size / 1024)} kB`)
}

function newest(path) {
  const absolute = join(root, path)
  const stat = statSync(absolute, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(absolute).map((name) => newest(join(path, name))))
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
