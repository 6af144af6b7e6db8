import { randomUUID } from 'node:crypto'
import { openDatabase } from '../../src/db/open.ts'
import { sql } from '../../src/db/sql.ts'
import { systemClock, systemTimers } from '../../src/live/time.ts'

/** Writes until it is killed, and prints the position of each commit that was acknowledged. */
async function main(dir: string): Promise<void> {
  const options = { connectionString: 'file:dendrite.db', exclusive: true }
  const db = await openDatabase(options, dir, { timers: systemTimers, clock: systemClock })
  const one = async () => {
    for (;;) {
      const writes = [sql`INSERT INTO things (name) VALUES (${randomUUID()})`]
      const outcome = await db.commit({ guards: [], writes, log: [{ kind: 'thing' }] })
      if (outcome.committed) process.stdout.write(`${outcome.positions[0]}\n`)
    }
  }
  await Promise.all([one(), one(), one()])
}

await main(process.argv[2]!)
