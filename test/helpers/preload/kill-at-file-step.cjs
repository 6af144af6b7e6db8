// Loaded before the program: ends it without a word at the n-th step that an upload takes on the disk. A step is the
// end of a call, or the beginning of the one that follows the commit. What happens before the first file is opened to be
// written does not count.
const fs = require('node:fs/promises')

const killAt = Number(process.env.KILL_AT)
let steps = 0
let begun = false

function step() {
  if (begun && ++steps === killAt) process.kill(process.pid, 'SIGKILL')
}

function count(owner, name) {
  const original = owner[name]
  owner[name] = async function (...args) {
    if (name === 'open' && args[1] === 'wx') begun = true
    if (name === 'rm') step()
    const result = await original.apply(this, args)
    step()
    return result
  }
}

const ready = fs.open(__filename).then(async (file) => {
  const handles = Object.getPrototypeOf(file)
  await file.close()
  for (const name of ['write', 'datasync', 'sync']) count(handles, name)
})
for (const name of ['open', 'rename', 'mkdir', 'link', 'rm']) count(fs, name)
require('node:module').syncBuiltinESMExports()
void ready
