import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

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
