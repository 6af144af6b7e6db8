// Bundles the commands and the server into dist/dendrite.cjs, large packages and the programs that it starts beside it. Does nothing when the bundle is newer than every source,
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

// Large, and needed by some commands or some servers only: each is a file of its own, which is read when it is asked
// for. An idle server would hold their text in memory, and every command would have to read it.
const apart = [
  '@peculiar/x509',
  'bcryptjs',
  'eta',
  'htmlparser2',
  'inquirer',
  'jose',
  'nodemailer',
  'openid-client',
  'pg',
  'pino-pretty',
  'undici',
  'umzug',
]

// Programs that the server starts beside itself.
const beside = [
  ['blobs', 'thumbnail-main'],
  ['live', 'state-resolver-main'],
]

// umzug brings a command line of its own, of fifteen packages, which is not ours.
const withoutCommandLine = {
  name: 'without the command line of umzug',
  setup(build) {
    build.onResolve({ filter: /^@rushstack\/ts-command-line$/ }, ({ path }) => ({ path, namespace: 'empty' }))
    const contents = 'class Unused {}; module.exports = { CommandLineAction: Unused, CommandLineParser: Unused }'
    build.onLoad({ filter: /./, namespace: 'empty' }, () => ({ contents }))
  },
}

if (!process.argv.includes('--force') && modifiedAt(outfile) > Math.max(...inputs.map(newest))) {
  console.log('dist/dendrite.cjs is up to date.')
} else {
  const esbuild = await import('esbuild').catch(() => undefined)
  if (esbuild === undefined) console.log('esbuild is not installed: dist/ is left as it is.')
  else await build(esbuild)
}

async function build(esbuild) {
  mkdirSync(join(root, 'dist'), { recursive: true })
  for (const name of apart) await bundle(esbuild, name, join(root, 'dist', fileOf(name)))
  for (const [folder, name] of beside) {
    await bundle(esbuild, `src/${folder}/${name}.ts`, join(root, 'dist', `${name}.cjs`))
  }
  await bundle(esbuild, 'commands/index.ts', outfile)
  console.log(`dist/dendrite.cjs: ${Math.round(statSync(outfile).size / 1024)} kB`)
}

async function bundle(esbuild, entry, file) {
  const draft = `${file}.${process.pid}`
  try {
    await esbuild.build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile: draft,
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format: 'cjs',
      external,
      plugins: [keptApart(entry), withoutCommandLine],
      // `import()` of a file beside the bundle becomes `require`, which it is written for.
      supported: { 'dynamic-import': false },
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'eof',
      logLevel: 'warning',
    })
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    if (error.errors === undefined) throw error
    process.exit(1)
  }
}

function keptApart(entry) {
  const others = new Set(apart.filter((name) => name !== entry))
  return {
    name: 'kept apart',
    setup(build) {
      build.onResolve({ filter: /^[@a-z]/ }, ({ path }) =>
        others.has(path) ? { path: `./${fileOf(path)}`, external: true } : undefined,
      )
    },
  }
}

function fileOf(name) {
  return `${name.replace(/^@/, '').replace('/', '-')}.cjs`
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
