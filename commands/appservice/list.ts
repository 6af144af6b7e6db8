import { Flags } from '@oclif/core'
import type { ToldSoFar } from '../../src/cli/appservice-states.ts'
import { BaseCommand } from '../../src/cli/base-command.ts'
import type { LoadedConfig } from '../../src/config/load.ts'

export default class AppserviceList extends BaseCommand {
  static override summary = 'List the registered application services.'
  static override examples = ['<%= config.bin %> <%= command.id %> --json']
  static override flags = { dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }) }

  async run(): Promise<{ appservices: Record<string, unknown>[] }> {
    const { flags } = await this.parse(AppserviceList)
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { registrationsOf } = await import('../../src/cli/appservices.ts')
    const registrations = registrationsOf(loaded)
    const states = registrations.length === 0 ? new Map<string, ToldSoFar>() : await this.toldSoFar(loaded)
    // Their tokens are nobody's business.
    const appservices = registrations.map(({ id, url, sender_localpart, namespaces, protocols, file }) => ({
      id,
      url,
      sender_localpart,
      namespaces,
      protocols,
      file,
      ...states.get(id),
    }))
    for (const { id, url, namespaces, file } of appservices) {
      const { behind, last_error: reason, failing_since: since } = states.get(id) ?? {}
      this.log(`${id}  ${url ?? 'hears nothing'}  ${namespaces.users.map(({ regex }) => regex).join(' ')}  ${file}`)
      if (reason != null)
        this.log(`  has taken nothing since ${since}: ${reason}; ${behind} rows of the log wait for it`)
    }
    if (appservices.length === 0) this.note('No application service is registered.')
    return { appservices }
  }

  private async toldSoFar(loaded: LoadedConfig): Promise<ReadonlyMap<string, ToldSoFar>> {
    const { toldSoFar } = await import('../../src/cli/appservice-states.ts')
    const { openLog } = await import('../../src/cli/log.ts')
    try {
      return await toldSoFar(loaded, await openLog(loaded.config, { level: 'warn' }))
    } catch (error) {
      this.note(`How far they were told is not known: ${(error as Error).message}`)
      return new Map()
    }
  }
}
