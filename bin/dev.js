#!/usr/bin/env node
// Runs the sources as they stand, without a build.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { execute, settings } from '@oclif/core'
import { register } from 'tsx/esm/api'

register()
settings.enableAutoTranspile = false

const root = fileURLToPath(new URL('..', import.meta.url))
const pjson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
pjson.oclif.commands = { strategy: 'explicit', target: './commands/index.ts', identifier: 'COMMANDS' }
pjson.oclif.hooks = undefined

await execute({ dir: import.meta.url, loadOptions: { root, pjson } })
