#!/usr/bin/env -S MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072 node --max-semi-space-size=2 --v8-pool-size=1
// Syntax that the oldest Node reads, so that it can say what is wrong; the program itself begins in start.js.
const version = process.versions.node.split('.').map(Number)
if (version[0] < 20 || (version[0] === 20 && version[1] < 19)) {
  process.stderr.write(`Dendrite needs Node 20.19 or later; this is ${process.version}.\n`)
  process.exit(1)
}
import('./start.js')
