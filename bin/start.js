import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

if (!existsSync(fileURLToPath(new URL('../dist/dendrite.cjs', import.meta.url)))) {
  fail('The program is not built yet: run `npm run setup`. From sources: `node bin/dev.js`.')
}

const { execute, settings } = await import('@oclif/core').catch((error) => {
  fail(`A package is missing: run \`npm ci\`. (${error.message})`)
})
// Else a NODE_ENV of "test" or "development" loads a compiler, which is a thread of its own and keeps megabytes.
settings.enableAutoTranspile = false
await execute({ dir: import.meta.url })

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
