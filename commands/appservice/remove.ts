import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { CommandError, EXIT } from '../../src/cli/exit-codes.ts'

export default class AppserviceRemove extends BaseCommand {
  static override summary = 'Take an application service out of the configuration.'
  static override description =
    'Its file stays, and so do its users and what they wrote; nobody holds its names any more. The server is without ' +
    'it from its next start on. Exits 3 when there is none with this id.'

  static override examples = ['<%= config.bin %> <%= command.id %> irc --yes']

  static override args = { id: Args.string({ description: 'Its id.', required: true }) }

  static override flags = {
    'dry-run': Flags.boolean({ summary: 'Change nothing; exit code 10 if it is there.' }),
    dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags, args } = await this.parse(AppserviceRemove)
    if (!flags['dry-run'] && !flags.yes && !this.interactive) {
      const suggestion = 'add --yes, or look first with --dry-run'
      throw new CommandError('Nobody can be asked here.', { exit: EXIT.usage, code: 'USAGE', suggestion })
    }
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { registrationNamed, removeConfigFile } = await import('../../src/cli/appservices.ts')
    const { id, file } = registrationNamed(loaded, args.id)
    if (flags['dry-run']) process.exitCode = EXIT.changesPending
    if (flags['dry-run'] || !(flags.yes || (await this.ask(`Take ${id} out of ${loaded.file}?`)))) {
      this.log(`${id} stays registered by ${file}`)
      return { id, file, removed: false }
    }
    removeConfigFile(loaded, file)
    this.log(`removed ${id} from ${loaded.file}; its file stays: ${file}`)
    this.note('Restart the server, so that it is without it.')
    return { id, file, removed: true }
  }

  private async ask(message: string): Promise<boolean> {
    const { askYesNo } = await import('../../src/cli/prompts.ts')
    return askYesNo(message)
  }
}
