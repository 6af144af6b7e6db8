// Loaded before the program: ends it without a word before its n-th statement, and otherwise notes how many there were.
const { writeFileSync } = require('node:fs')
const { Socket } = require('node:net')
const Sqlite = require('better-sqlite3')

const killAt = Number(process.env.KILL_AT)
let statements = 0

function count(prototype, name) {
  const original = prototype[name]
  prototype[name] = function (...args) {
    statements += 1
    if (statements === killAt) process.kill(process.pid, 'SIGKILL')
    return original.apply(this, args)
  }
}

count(Sqlite.prototype, 'exec')
count(Sqlite.prototype, 'prepare')
// PostgreSQL hears of a statement by what is written to its socket.
count(Socket.prototype, 'write')
process.on('exit', () => writeFileSync(process.env.COUNT_FILE, String(statements)))
