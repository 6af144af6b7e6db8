// Lint and format, types, architecture: all of them, side by side, and one verdict.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const checks = {
  biome: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'],
  types: ['node_modules/typescript/bin/tsc', '-p', '.'],
  architecture: ['node_modules/vitest/vitest.mjs', 'run', 'test/architecture.test.ts', 'test/spec'],
}

const verdicts = await Promise.all(Object.entries(checks).map(([name, args]) => run(name, args)))
process.exitCode = verdicts.every((code) => code === 0) ? 0 : 1

function run(name, args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.on('close', (code) => {
      console.log(code === 0 ? `${name}: good` : `${name}: failed\n${output.replace(/^\d+ passed, \d+ failed$/m, '')}`)
      resolve(code ?? 1)
    })
  })
}
