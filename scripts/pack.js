// Around `npm pack`: the bundle, the manifest of its commands and their manual are made before, the last two are taken
// away after. A manifest in the tree would hide commands added later.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

if (process.argv[2] === 'after') {
  rmSync(new URL('../oclif.manifest.json', import.meta.url), { force: true })
  rmSync(new URL('../man', import.meta.url), { recursive: true, force: true })
} else {
  run('scripts/build.js', '--force')
  run('node_modules/oclif/bin/run.js', 'manifest')
  run('scripts/man.js')
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
}
