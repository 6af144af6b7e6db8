#!/usr/bin/env -S node --max-semi-space-size=2
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Dendrite needs Node 20.19 or later; this is ${process.version}.`)
}
if (!existsSync(fileURLToPath(new URL('../dist/dendrite.cjs', import.meta.url)))) {
  fail('The program is not built yet: run `npm run setup`. From sources: `node bin/dev.js`.')
}

const { execute } = await import('@oclif/core').catch((error) => {
  fail(`A package is missing: run \`npm ci\`. (${error.message})`)
})
await execute({ dir: import.meta.url })

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
