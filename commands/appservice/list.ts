import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'

export default class AppserviceList extends BaseCommand {
  static override summary = 'List the registered application services.'
  static override examples = ['<%= config.bin %> <%= command.id %> --json']
  static override flags = { dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }) }

  async run(): Promise<{ appservices: Record<string, unknown>[] }> {
    const { flags } = await this.parse(AppserviceList)
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { registrationsOf } = await import('../../src/cli/appservices.ts')
    // Their tokens are nobody's business.
    const appservices = registrationsOf(loaded).map(({ id, url, sender_localpart, namespaces, protocols, file }) => ({
      id,
      url,
      sender_localpart,
      namespaces,
      protocols,
      file,
    }))
    for (const { id, url, namespaces, file } of appservices) {
      this.log(`${id}  ${url ?? 'hears nothing'}  ${namespaces.users.map(({ regex }) => regex).join(' ')}  ${file}`)
    }
    if (appservices.length === 0) this.note('No application service is registered.')
    return { appservices }
  }
}
