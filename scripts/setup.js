// What `npm ci` does by itself where install scripts may run: builds the native packages and the program.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const npm = process.env.npm_execpath
const steps = [
  npm === undefined ? ['npm', 'rebuild', 'better-sqlite3', 'esbuild'] : [process.execPath, npm, 'rebuild'],
  [process.execPath, 'scripts/build.js', '--force'],
]

for (const [command, ...args] of steps) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
