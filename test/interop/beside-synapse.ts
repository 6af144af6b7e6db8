import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { pythonWith } from '../helpers/python.ts'
import { prepareSynapse, startSynapse } from '../helpers/synapse.ts'
import { type Homeserver, makeAuthority, prepareTlsServer, startTlsServer } from '../helpers/tls-servers.ts'

export type Make = 'ours' | 'synapse'

/** One of our servers and a Synapse, which believe one authority. */
export type Neighbours = Readonly<Record<Make, Homeserver>> & {
  /** Stops one of them while something happens, and starts it again. */
  without(make: Make, happens: () => Promise<void>): Promise<void>
}

const python = await pythonWith('synapse', ['matrix-synapse==1.163.2'])

/** Runs the tests beside both servers, which are there before the first one. */
export function besideSynapse(tests: (homeservers: Neighbours) => void): void {
  describe.runIf(python !== undefined)('with Synapse', () => {
    const running = {} as Record<Make, Homeserver>
    let start: Record<Make, () => Promise<Homeserver>>
    let dir: string

    beforeAll(async () => {
      dir = mkdtempSync(join(tmpdir(), 'dendrite-synapse-'))
      const authority = await makeAuthority(dir)
      const ours = await prepareTlsServer(join(dir, 'ours'), authority)
      const synapse = await prepareSynapse(python!, join(dir, 'synapse'), authority)
      start = { ours: () => startTlsServer(ours, authority), synapse: () => startSynapse(synapse) }
      running.ours = await start.ours()
      running.synapse = await start.synapse()
    })
    afterAll(async () => {
      await Promise.all([running.ours, running.synapse].map((server) => server?.stop('SIGKILL')))
      rmSync(dir, { recursive: true, force: true })
    })

    tests(
      Object.assign(running, {
        async without(make: Make, happens: () => Promise<void>) {
          await running[make].stop()
          await happens()
          running[make] = await start[make]()
        },
      }),
    )
  })
}
