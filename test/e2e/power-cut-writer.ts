import { openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { createAccount } from '../../src/actions/accounts/create-account.ts'
import { createRoom } from '../../src/actions/rooms/create-room.ts'
import { sendEvent } from '../../src/actions/rooms/send-event.ts'
import { migrateToLatest } from '../../src/cli/migrations.ts'
import { configFrom } from '../../src/config/load.ts'
import { generateSigningKey, writeKeyPem } from '../../src/core/keys.ts'
import { systemClock, systemRandom, systemTimers } from '../../src/live/time.ts'
import { openApp } from '../../src/open-app.ts'

const SENDERS = 8
/** Long enough for several checkpoints. */
const WRITES_FOR_MS = 4_000
const PAUSE_MS = 8

/**
 * Sends events through the real actions, from several sides at once, and writes the id of each to the file `acks` as
 * soon as it is promised to be stored.
 */
async function main(dir: string, mode: string): Promise<void> {
  writeFileSync(join(dir, 'key.pem'), writeKeyPem(generateSigningKey(systemRandom.bytes)), { mode: 0o600 })
  const database = { connection_string: 'file:dendrite.db' }
  const config = configFrom({ version: 2, global: { server_name: 'cut.example', private_key: 'key.pem', database } })
  const log = pino({ level: 'silent' })
  await migrateToLatest(config, dir, log)
  const app = await openApp({ config, dir, log, exclusive: true, unsafeNoSync: mode === 'unsynced' })
  const { userId } = await createAccount(app, { localpart: 'alice', password: undefined, admin: false })
  const made = await createRoom(app, { creator: userId })
  const acks = openSync(join(dir, 'acks'), 'a')
  const end = systemClock.monotonic() + WRITES_FOR_MS
  const sender = async (name: number): Promise<void> => {
    for (let n = 0; systemClock.monotonic() < end; n++) {
      const content = { msgtype: 'm.text', body: 'x'.repeat(300 + ((name * 31 + n * 7) % 2_000)) }
      const event = { roomId: made, sender: userId, type: 'm.room.message', stateKey: null, content }
      writeSync(acks, `${await sendEvent(app, event)}\n`)
      await systemTimers.sleep(PAUSE_MS)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, (_none, name) => sender(name)))
  await app.close()
}

await main(process.argv[2]!, process.argv[3]!)
